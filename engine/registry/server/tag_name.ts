/**
 * The file that a tag lives in. File systems that do not tell `Latest` from `latest`, or drop a final
 * dot, must still tell tags apart: the name is in lower case, and behind `^` stands in hexadecimal
 * which letters were upper case, the first letter in the lowest bit.
 */
export function encodeTagName(tag: string): string {
  let upper = 0n;
  for (const [at, letter] of [...tag].entries()) {
    if (letter >= "A" && letter <= "Z") upper |= 1n << BigInt(at);
  }
  return `${tag.toLowerCase()}^${upper.toString(16)}`;
}

/** The tag that lives in a file; nothing when the name is not one of {@link encodeTagName}'s. */
export function parseTagName(name: string): string | undefined {
  const [, lower, hex] = /^([a-z0-9_.-]{1,128})\^([0-9a-f]{1,32})$/.exec(name) ?? [];
  if (lower === undefined || hex === undefined) return undefined;
  const upper = BigInt(`0x${hex}`);
  return [...lower]
    .map((letter, at) => ((upper >> BigInt(at)) & 1n ? letter.toUpperCase() : letter))
    .join("");
}
