/** What an operation says about the headers it takes; request-headers.ts holds every request to it. */

/** Which headers of a request the operation stores or obeys. */
export interface HeaderUse {
  /** Content-Type and its like become the object's. */
  readonly stores?: true;
  /** If-Match and its like decide over a read or over a write. */
  readonly conditions?: 'read' | 'write';
  /** Range and If-Range. */
  readonly ranges?: true;
  /** x-amz-acl and x-amz-grant- are obeyed. */
  readonly acl?: true;
  /** versionId in the query. */
  readonly version?: true;
  /** Names of rows of AMZ_HEADERS that are refused elsewhere and obeyed here. */
  readonly obeys?: readonly string[];
}
