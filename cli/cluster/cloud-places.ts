/** Where the cloud's services are found below the main port's URL. */
export const IDENTITY_PREFIX = '/identity';
export const VOLUME_PREFIX = '/volume';
export const IMAGE_PREFIX = '/image';

/** Where clients of an identity log in that is reached at `url`. */
export const authUrlAt = (url: string): string => `${url}${IDENTITY_PREFIX}/v3`;
