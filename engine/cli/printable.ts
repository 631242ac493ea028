// C0 and C1 controls, DEL, and the marks that reorder text: none of them may reach a terminal.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text from outside (a registry, an annotation) in one line, its control characters spelled out. */
export function printableLine(text: string): string {
  return text.replaceAll(UNSAFE, escapeCharacter);
}

/** The same of a text of several lines: those behind the first are indented, so that none can pose as ours. */
export function printableText(text: string): string {
  return text.trimEnd().split(/\r?\n/).map(printableLine).join("\n  ");
}

/** JSON text with what {@link UNSAFE} means written as escapes: the same value for every reader. */
export function printableJson(json: string): string {
  // Asked first: a text of megabytes is not copied for nothing.
  return json.search(UNSAFE) === -1 ? json : json.replaceAll(UNSAFE, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
