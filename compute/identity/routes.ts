/** All of identity's operations, in the order of docs/identity.md, and what its faults look like over HTTP. */
import { apiFaults, type FaultTable } from '../../control/service/faults.ts';
import type { Route } from '../../control/service/types.ts';
import { appCredRoutes } from './api/app-credentials.ts';
import { authRoutes } from './api/auth.ts';
import { catalogRoutes } from './api/catalog.ts';
import { credentialRoutes } from './api/credentials.ts';
import { domainRoutes } from './api/domains.ts';
import { grantRoutes } from './api/grants.ts';
import { groupRoutes } from './api/groups.ts';
import { limitRoutes } from './api/limits.ts';
import { projectRoutes } from './api/projects.ts';
import { roleAssignmentRoutes } from './api/role-assignments.ts';
import { roleRoutes } from './api/roles.ts';
import { guarded } from './api/shared.ts';
import { signatureRoutes } from './api/signatures.ts';
import { userRoutes } from './api/users.ts';
import { identityFaults } from './faults.ts';
import type { Identity } from './service-state.ts';

export function identityRoutes(identity: Identity): Route[] {
  return guarded(
    [
      authRoutes,
      domainRoutes,
      projectRoutes,
      userRoutes,
      groupRoutes,
      roleRoutes,
      grantRoutes,
      roleAssignmentRoutes,
      catalogRoutes,
      credentialRoutes,
      appCredRoutes,
      limitRoutes,
      signatureRoutes,
    ].flatMap((make) => make(identity)),
  );
}

export const IDENTITY_FAULTS: FaultTable = {
  [identityFaults.badToken]: { status: 401 },
  [identityFaults.unauthorized]: { status: 401 },
  [identityFaults.passwordExpired]: { status: 401 },
  [identityFaults.forbidden]: { status: 403 },
  [identityFaults.notFound]: { status: 404 },
  [identityFaults.conflict]: { status: 409 },
  [identityFaults.badRequest]: { status: 400 },
  [identityFaults.unavailable]: { status: 503 },
  [apiFaults.overQuota]: { status: 403 },
};

/** Keystone's own version of the API, which clients read and never negotiate. */
export const IDENTITY_VERSIONS = {
  shape: 'keystone',
  list: [
    {
      id: 'v3.14',
      path: '/v3',
      status: 'stable',
      updated: '2020-04-07T00:00:00Z',
      mediaType: 'application/vnd.openstack.identity-v3+json',
    },
  ],
} as const;
