/** Where the cloud's services are found below the main port's URL. */
export const IDENTITY_PREFIX = '/identity';
export const VOLUME_PREFIX = '/volume';
export const IMAGE_PREFIX = '/image';
