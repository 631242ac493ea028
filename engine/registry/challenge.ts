/** One challenge of a `WWW-Authenticate` header (RFC 9110 §11.6.1). */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A challenge that a registry means seriously is far shorter. */
const MAX_HEADER_LENGTH = 8192;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const SPACE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/**
 * Reads all challenges of a header. What is not understood is passed over: the header is
 * attacker-controlled, and what it asks for is checked by whoever answers.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const text = header.slice(0, MAX_HEADER_LENGTH);
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return undefined;
    at = pattern.lastIndex;
    return match;
  };
  while (at < text.length) {
    take(SPACE);
    const word = take(TOKEN)?.[0];
    if (word === undefined) {
      at++; // a comma, or garbage
      continue;
    }
    take(SPACE);
    if (text[at] !== "=") {
      challenges.push({ scheme: word.toLowerCase(), parameters: Object.create(null) });
      continue;
    }
    at++;
    take(SPACE);
    const quoted = take(QUOTED)?.[1];
    const value = quoted === undefined ? take(TOKEN)?.[0] : quoted.replaceAll(/\\(.)/g, "$1");
    const current = challenges.at(-1);
    const name = word.toLowerCase();
    // The first value stands: a second "realm" must not replace the one that was looked at.
    if (current !== undefined && value !== undefined && !(name in current.parameters)) {
      current.parameters[name] = value;
    }
  }
  return challenges;
}

/** The challenge to answer: Bearer with a realm before Basic; nothing when neither is asked for. */
export function chooseChallenge(header: string | null): Challenge | undefined {
  if (header === null) return undefined;
  const challenges = parseChallenges(header);
  return (
    challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"]) ??
    challenges.find(({ scheme }) => scheme === "basic")
  );
}
