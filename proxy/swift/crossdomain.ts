/** `/crossdomain.xml`: what an operator lets players of other sites do. 404 where nothing is said. */
import type { SwiftCall } from './call.ts';
import { refuse, swiftFaults } from './faults.ts';
import type { SwiftResponse } from './response.ts';

export function answerCrossDomain(call: SwiftCall): SwiftResponse {
  const policy = call.world.swift?.crossDomainPolicy;
  if (policy === undefined) throw refuse(swiftFaults.notFound);
  const body = `<?xml version="1.0"?>
<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd" >
<cross-domain-policy>
${policy}
</cross-domain-policy>`;
  return { status: 200, headers: ['Content-Type', 'application/xml'], body };
}
