import type { Flag, FlagTable } from "./flag.ts";
import { flagOf, splitAtEquals } from "./parse.ts";

/** A command line made ready for parsing. */
export interface PreparedArgv {
  /** The words of the command: `["batch", "sign"]`; empty when none was found. */
  readonly path: readonly string[];
  /** Everything else, in order. */
  readonly rest: readonly string[];
  /** What cosign says of the spellings that were put right. */
  readonly warnings: readonly string[];
}

/** Spellings of cosign 1.4 for flags that were renamed later. */
const RENAMED: Readonly<Record<string, string>> = {
  cert: "certificate",
  "cert-email": "certificate-email",
  "cert-chain": "certificate-chain",
  "cert-oidc-issuer": "certificate-oidc-issuer",
  "cert-identity": "certificate-identity",
  "output-cert": "output-certificate",
};

/**
 * Finds the command in a line and puts old spellings of flags right: `-output` → `--output` and
 * `--o` → `-o` with a warning, `--cert` → `--certificate` without. Only words that stand where a flag may
 * stand and that name a known flag are touched, never values.
 *
 * @param commands The known commands by their words, joined by a space, with their flags.
 */
export function prepareArgv(
  argv: readonly string[],
  commands: ReadonlyMap<string, FlagTable>,
): PreparedArgv {
  const line = argv[0] === "-version" ? ["version", ...argv.slice(1)] : [...argv];
  const warnings = argv[0] === "-version" ? [oldFlag("-version", "version subcommand")] : [];
  const path = findPath(line, commands);
  const table = commands.get(path.words.join(" "));
  const rest = line.filter((_, i) => !path.positions.has(i));
  return {
    path: path.words,
    rest: table === undefined ? rest : fix(rest, table, warnings),
    warnings,
  };
}

/** The command's words may stand behind flags, as in cobra: `--timeout 5s verify`. */
function findPath(
  line: readonly string[],
  commands: ReadonlyMap<string, FlagTable>,
): { words: string[]; positions: Set<number> } {
  const words: string[] = [];
  const positions = new Set<number>();
  const names = [...commands.keys()];
  const bools = new Set(
    [...commands.values()].flatMap((table) =>
      Object.entries(table).flatMap(([name, { type, short }]) =>
        type !== "bool" ? [] : short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`],
      ),
    ),
  );
  for (let i = 0; i < line.length; i++) {
    const token = line[i] ?? "";
    if (token === "--") break;
    if (token.startsWith("-") && token !== "-") {
      const short = /^-[^-=]/.test(token);
      const takesNext =
        !token.includes("=") &&
        !bools.has(token) &&
        !/^(?:-h|--help)$/.test(token) &&
        !(short && token.length > 2);
      if (takesNext) i++;
      continue;
    }
    const longer = [...words, token].join(" ");
    if (!names.some((name) => name === longer || name.startsWith(`${longer} `))) break;
    words.push(token);
    positions.add(i);
  }
  return { words, positions };
}

function fix(rest: readonly string[], table: FlagTable, warnings: string[]): string[] {
  const fixed: string[] = [];
  const shorts = new Map(Object.values(table).map((flag) => [flag.short, flag]));
  for (let i = 0; i < rest.length; i++) {
    const token = rest[i] ?? "";
    if (token === "--") return [...fixed, ...rest.slice(i)];
    const right = fixOne(token, table, shorts, warnings);
    fixed.push(right);
    if (takesNext(right, table, shorts)) {
      i++;
      const value = rest[i];
      if (value !== undefined) fixed.push(value);
    }
  }
  return fixed;
}

function fixOne(
  token: string,
  table: FlagTable,
  shorts: ReadonlyMap<string | undefined, Flag>,
  warnings: string[],
): string {
  const match = /^(--?)([A-Za-z][^=]*)(=.*)?$/s.exec(token);
  if (match === null) return token;
  const [, dashes = "", written = "", value = ""] = match;
  if (dashes === "--" && written.length === 1 && shorts.has(written)) {
    warnings.push(
      `WARNING: the flag --${written} is deprecated and will be removed in a future release. Please use the flag -${written}.`,
    );
    return `-${written}${value}`;
  }
  const name = RENAMED[written] ?? written;
  if (written.length === 1 || flagOf(table, name) === undefined) return token;
  if (dashes === "-") warnings.push(oldFlag(`-${written}`, `--${name} flag`));
  return `--${name}${value}`;
}

/** Whether the next word is this flag's value, so that it is nobody's flag. */
function takesNext(
  token: string,
  table: FlagTable,
  shorts: ReadonlyMap<string | undefined, Flag>,
): boolean {
  if (token.startsWith("--")) {
    const { name, value } = splitAtEquals(token.slice(2));
    return value === undefined && (flagOf(table, name)?.type ?? "bool") !== "bool";
  }
  if (!token.startsWith("-") || token === "-") return false;
  for (const [at, letter] of [...token.slice(1)].entries()) {
    const flag = shorts.get(letter);
    if (flag === undefined) return false;
    if (flag.type !== "bool") return at === token.length - 2;
  }
  return false;
}

function oldFlag(written: string, instead: string): string {
  return `WARNING: the ${written} flag is deprecated and will be removed in a future release. Please use the ${instead} instead.`;
}
