/** Levels of nesting in a body: deeper ones would overflow the stack of whatever walks the value. Kubernetes' own kinds need 20. */
export const maxJsonDepth = 1000;

/** Problems of one body that are named in an answer: a body made of unknown fields would be sent back as headers otherwise. */
export const maxStrictErrors = 100;
