/** Put in when the page is made: its version, its files, and whether the service worker stands in for the relay. */
declare const VERSION: string;
declare const FILES: string[];
declare const SIMULATED: boolean;

/** A file as it stands. */
declare module '*?text' {
  const text: string;
  export default text;
}
