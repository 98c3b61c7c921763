/** Codes of everything identity refuses, in one closed table. What each one looks like over HTTP is said in fault-statuses. */
export const identityFaults = {
  /** A Fernet key or a key repository that cannot be used. */
  badKey: 'IdentityBadKey',
  /** The token is unknown, expired or revoked (404 for the token asked about, 401 for the asker's own). */
  badToken: 'IdentityBadToken',
  /** Wrong user, password, secret or scope: the client is told no more than that. */
  unauthorized: 'IdentityUnauthorized',
  /** The password is right but has to be changed first. */
  passwordExpired: 'IdentityPasswordExpired',
  forbidden: 'IdentityForbidden',
  notFound: 'IdentityNotFound',
  conflict: 'IdentityConflict',
  badRequest: 'IdentityBadRequest',
  /** The queue of password checks is full, or the state here is too old to judge by. */
  unavailable: 'IdentityUnavailable',
} as const;
