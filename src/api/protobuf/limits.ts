/** Messages inside one another: deeper ones would overflow the stack. Kubernetes' own kinds need 20, a custom resource's schema more. */
export const maxMessageDepth = 200;

/** Messages in one body: two bytes can stand for an object, so three megabytes could otherwise become hundreds. */
export const maxMessages = 500_000;

/** Bytes of a varint: 64 bits fit in ten; a longer one would be read for ever. */
export const maxVarintBytes = 10;
