/** The one function that is used of a package without types of its own. */
declare module 'seek-bzip' {
  const bunzip: { decode(bytes: Uint8Array): Buffer };
  export default bunzip;
}
