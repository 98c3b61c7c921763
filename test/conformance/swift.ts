/**
 * The Swift suite: everything the API promises, against whatever server `start` brings up. The real clients take longer
 * than everything else, so not every server meets them: `swift` over TLS is in test/clients.
 */
import type { Test } from 'tap';
import { accountAcls } from './swift-account-acls.ts';
import { accounts } from './swift-accounts.ts';
import { answers } from './swift-answers.ts';
import { archives } from './swift-archives.ts';
import { runSwiftCli } from './swift-cli.ts';
import { containers } from './swift-containers.ts';
import { cors } from './swift-cors.ts';
import { forms } from './swift-forms.ts';
import { objects } from './swift-objects.ts';
import { quotas } from './swift-quotas.ts';
import { runRclone } from './swift-rclone.ts';
import { refusals } from './swift-refusals.ts';
import { runSuites, type StartSwift } from './swift-rig.ts';
import { rights } from './swift-rights.ts';
import { services } from './swift-services.ts';
import { slo } from './swift-slo.ts';
import { symlinks } from './swift-symlinks.ts';
import { tempUrl } from './swift-temp-url.ts';
import { web } from './swift-web.ts';

const CLIENTS = [runSwiftCli, runRclone];

export function swiftConformance(t: Test, start: StartSwift, { clients = CLIENTS, members = false } = {}): void {
  const suites = {
    containers,
    objects,
    slo,
    refusals,
    tempUrl,
    quotas,
    symlinks,
    archives,
    cors,
    forms,
    accountAcls,
    accounts,
    answers,
    web,
    services,
  };
  t.test('over HTTP', (t) =>
    runSuites(t, start, {
      ...suites,
      ...(members && { rights }),
    }),
  );
  for (const run of clients) run(t, start);
}
