import type { Authenticator } from './authenticator.ts';
/** CN is the user, each O a group. */
export declare function x509Authenticator(): Authenticator;
