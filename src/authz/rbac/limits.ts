/**
 * Single (verb, group, resource, name) combinations that one role may expand to in an escalation check. Stops: a role of a few megabytes
 * whose lists multiply to billions of combinations and hold the apiserver's only thread. The largest bootstrap role has about 500.
 */
export const MAX_EXPANDED_RULES = 50_000;
