import type { Authenticator } from './authenticator.ts';
/** Anonymous for exactly these request paths (`Credentials.path`) and no others. */
export declare function anonymousAuthenticator(paths?: readonly string[]): Authenticator;
