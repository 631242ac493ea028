/**
 * Sets variables of this very process, where a vendor's SDK reads them; whatever else begins with
 * `prefix` is unset. Returns what puts everything back.
 */
export function setEnvironment(
  prefix: string,
  variables: Readonly<Record<string, string>>,
): () => void {
  const before = { ...process.env };
  for (const name of Object.keys(process.env))
    if (name.startsWith(prefix)) delete process.env[name];
  Object.assign(process.env, variables);
  return () => {
    for (const name of Object.keys(process.env)) {
      if (name.startsWith(prefix) || name in variables) delete process.env[name];
    }
    Object.assign(process.env, before);
  };
}
