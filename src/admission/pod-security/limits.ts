/** Pods looked at when a namespace's enforce level becomes stricter. Stops: one label that holds the apiserver for a namespace of any size. */
export const MAX_PODS_CHECKED = 3_000;
