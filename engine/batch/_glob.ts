/**
 * Whether `name` matches a glob: `*` is anything but `/`, `**` anything, `?` one character but `/`.
 * Takes time in proportion to both lengths, whatever they hold.
 */
export function matchesGlob(glob: string, name: string): boolean {
  const parts = glob.match(/\*\*|[\s\S]/gu) ?? [];
  // States of the automaton: how many parts are used up.
  let states = closure(new Set([0]), parts);
  for (const character of name) {
    const next = new Set<number>();
    for (const state of states) {
      const part = parts[state];
      const isFree = part === "**" || (part === "*" && character !== "/");
      if (isFree) next.add(state);
      else if (part === character || (part === "?" && character !== "/")) next.add(state + 1);
    }
    states = closure(next, parts);
    if (states.size === 0) return false;
  }
  return states.has(parts.length);
}

function closure(states: ReadonlySet<number>, parts: readonly string[]): ReadonlySet<number> {
  const all = new Set(states);
  for (const state of all) if (parts[state]?.startsWith("*") === true) all.add(state + 1);
  return all;
}
