/** Bytes of a body: what Kubernetes takes. Stops one request from filling the memory. */
export const maxBodyBytes = 3 * 1024 * 1024;

/** How often aliases may be expanded in a YAML body: stops a small text that stands for gigabytes ("billion laughs"). */
export const maxYamlAliases = 100;

/** Values in a YAML body after aliases are expanded: one alias of a large list counts as often as it is used. */
export const maxYamlValues = 500_000;

/** Bytes of a YAML body that is no JSON: its parser takes half a second for each megabyte, in which nothing else is served. */
export const maxYamlBytes = 1024 * 1024;
