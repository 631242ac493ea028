/**
 * A pattern in the syntax of Go's `regexp` package (RE2), which knows no way to be slow: matching
 * takes time in proportion to pattern times text. Attacker-controlled texts are matched with it.
 */
export interface Pattern {
  readonly source: string;
  /** Whether the pattern matches anywhere in `text`. */
  test(text: string): boolean;
  /** Whether it can match the whole of a text only. */
  readonly isAnchored: boolean;
}

type CharTest = (codePoint: number) => boolean;
type Assertion = "text-start" | "text-end" | "line-start" | "line-end" | "word" | "no-word";

type Node =
  | { readonly kind: "empty" }
  | { readonly kind: "char"; readonly test: CharTest }
  | { readonly kind: "assertion"; readonly assertion: Assertion }
  | { readonly kind: "sequence" | "choice"; readonly nodes: readonly Node[] }
  | {
      readonly kind: "repeat";
      readonly node: Node;
      readonly minimum: number;
      readonly maximum: number;
    };

type Instruction =
  | { readonly op: "char"; readonly test: CharTest }
  | { readonly op: "assert"; readonly assertion: Assertion }
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "match" };

interface Flags {
  readonly fold: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
}

const MAX_REPEAT = 1000; // RE2's own
const MAX_INSTRUCTIONS = 20_000; // nested repeats multiply
const MAX_PATTERN_CHARS = 4096;
const MAX_DEPTH = 200; // of groups in groups

/**
 * Reads a pattern.
 *
 * @throws {SyntaxError} in Go's words, for what Go's `regexp` does not take either: look-around,
 * back-references.
 */
export function parsePattern(source: string): Pattern {
  if (source.length > MAX_PATTERN_CHARS) {
    throw new SyntaxError(`a pattern of more than ${MAX_PATTERN_CHARS} characters`);
  }
  const node = new Parser(source).parse();
  const program = compile(node);
  return {
    source,
    test: (text) =>
      run(
        program,
        Array.from(text, (char) => char.codePointAt(0) ?? 0),
      ),
    isAnchored: begins(node, "text-start") && ends(node, "text-end"),
  };
}

class Parser {
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#chars = [...source];
  }

  parse(): Node {
    const node = this.#choice({ fold: false, multiline: false, dotAll: false });
    if (this.#at < this.#chars.length) throw this.#error("unexpected )");
    return node;
  }

  #choice(outer: Flags): Node {
    if (++this.#depth > MAX_DEPTH) throw this.#error("expression nests too deeply");
    let flags = outer;
    const branches: Node[] = [];
    let sequence: Node[] = [];
    for (let char = this.#peek(); char !== undefined && char !== ")"; char = this.#peek()) {
      if (char === "|") {
        this.#at += 1;
        branches.push({ kind: "sequence", nodes: sequence });
        sequence = [];
        continue;
      }
      if (char === "(" && this.#looksAt("(?")) {
        const group = this.#group(flags);
        if ("flags" in group) flags = group.flags;
        else sequence.push(this.#repeated(group.node));
        continue;
      }
      if (char === "(") {
        this.#at += 1;
        sequence.push(this.#repeated(this.#closed(flags)));
        continue;
      }
      if (char === "\\" && this.#looksAt("\\Q")) {
        sequence.push(...this.#quoted(flags));
        continue;
      }
      sequence.push(this.#repeated(this.#atom(flags)));
    }
    this.#depth -= 1;
    branches.push({ kind: "sequence", nodes: sequence });
    return branches.length === 1 ? (branches[0] ?? EMPTY) : { kind: "choice", nodes: branches };
  }

  #closed(flags: Flags): Node {
    const node = this.#choice(flags);
    if (this.#peek() !== ")") throw this.#error("missing closing )");
    this.#at += 1;
    return node;
  }

  /** `(?flags)`, `(?flags:…)`, `(?P<name>…)`, `(?<name>…)`. */
  #group(flags: Flags): { readonly flags: Flags } | { readonly node: Node } {
    const rest = this.#chars.slice(this.#at, this.#at + 300).join("");
    const named = /^\(\?P?<([A-Za-z0-9_]+)>/.exec(rest);
    if (named !== null) {
      this.#at += named[0].length;
      return { node: this.#closed(flags) };
    }
    const set = /^\(\?([imsU]*)(?:-([imsU]+))?([):])/.exec(rest);
    if (set === null) {
      throw this.#error(`invalid or unsupported Perl syntax: \`${rest.slice(0, 3)}\``);
    }
    this.#at += set[0].length;
    const [, on = "", off = "", end] = set;
    const value = (letter: string, before: boolean): boolean =>
      off.includes(letter) ? false : on.includes(letter) || before;
    const changed = {
      fold: value("i", flags.fold),
      multiline: value("m", flags.multiline),
      dotAll: value("s", flags.dotAll),
    };
    return end === ")" ? { flags: changed } : { node: this.#closed(changed) };
  }

  #quoted(flags: Flags): readonly Node[] {
    this.#at += 2;
    const nodes: Node[] = [];
    while (this.#at < this.#chars.length && !this.#looksAt("\\E")) {
      nodes.push(literal(this.#next(), flags));
    }
    if (this.#looksAt("\\E")) this.#at += 2;
    const last = nodes.pop();
    return last === undefined ? [] : [...nodes, this.#repeated(last)];
  }

  #repeated(node: Node): Node {
    const first = this.#repeat();
    if (first === undefined) return node;
    if (this.#peek() === "?") this.#at += 1; // lazy: the same texts match
    if (this.#repeat() !== undefined) throw this.#error("invalid nested repetition operator");
    return { kind: "repeat", node, ...first };
  }

  #repeat(): { readonly minimum: number; readonly maximum: number } | undefined {
    const char = this.#peek();
    if (char === "*" || char === "+" || char === "?") {
      this.#at += 1;
      return { minimum: char === "+" ? 1 : 0, maximum: char === "?" ? 1 : Infinity };
    }
    if (char !== "{") return undefined;
    const rest = this.#chars.slice(this.#at, this.#at + 30).join("");
    const counted = /^\{(\d{1,9})(,(\d{1,9})?)?\}/.exec(rest);
    if (counted === null) return undefined;
    this.#at += counted[0].length;
    const minimum = Number(counted[1]);
    const maximum =
      counted[2] === undefined ? minimum : counted[3] === undefined ? Infinity : Number(counted[3]);
    const largest = maximum === Infinity ? minimum : maximum;
    if (minimum > maximum || largest > MAX_REPEAT) {
      throw this.#error(`invalid repeat count: \`${counted[0]}\``);
    }
    return { minimum, maximum };
  }

  #atom(flags: Flags): Node {
    const char = this.#next();
    switch (char) {
      case ".":
        return { kind: "char", test: (code) => flags.dotAll || code !== NEWLINE };
      case "^":
        return assertion(flags.multiline ? "line-start" : "text-start");
      case "$":
        return assertion(flags.multiline ? "line-end" : "text-end");
      case "[":
        return { kind: "char", test: this.#class(flags) };
      case "*":
      case "+":
      case "?":
        throw this.#error(`missing argument to repetition operator: \`${char}\``);
      case "{":
        this.#at -= 1;
        if (this.#repeat() !== undefined) {
          throw this.#error("missing argument to repetition operator");
        }
        this.#at += 1;
        return literal(char, flags);
      case "\\":
        return this.#escape(flags);
      default:
        return literal(char, flags);
    }
  }

  #escape(flags: Flags): Node {
    const char = this.#peek();
    const asserted = char === undefined ? undefined : ASSERTIONS.get(char);
    if (asserted !== undefined) {
      this.#at += 1;
      return assertion(asserted);
    }
    const test = this.#classEscape();
    if (test !== undefined) return { kind: "char", test: folded(test, flags) };
    return literal(String.fromCodePoint(this.#escapedCode()), flags);
  }

  /** `\d`, `\pL` and their like, behind the backslash; nothing for another escape. */
  #classEscape(): CharTest | undefined {
    const char = this.#peek();
    const test = char === undefined ? undefined : PERL_CLASSES.get(char.toLowerCase());
    if (char !== undefined && test !== undefined) {
      this.#at += 1;
      return char === char.toLowerCase() ? test : negated(test);
    }
    if (char !== "p" && char !== "P") return undefined;
    const rest = this.#chars.slice(this.#at + 1, this.#at + 64).join("");
    const name = /^(?:\{(\^?)([A-Za-z_]+)\}|([A-Za-z]))/.exec(rest);
    if (name === null) throw this.#error("invalid character class range");
    this.#at += 1 + name[0].length;
    const inside = unicodeClass(name[2] ?? name[3] ?? "");
    if (inside === undefined)
      throw this.#error(`invalid character class range: \`\\${char}${name[0]}\``);
    return (char === "P") === (name[1] === "^") ? inside : negated(inside);
  }

  #escapedCode(): number {
    if (this.#at >= this.#chars.length)
      throw this.#error("trailing backslash at end of expression");
    const rest = this.#chars.slice(this.#at, this.#at + 12).join("");
    const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,8})\})/.exec(rest);
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest);
    const char = this.#next();
    if (hex !== null) {
      this.#at += hex[0].length - 1;
      const code = Number.parseInt(hex[1] ?? hex[2] ?? "", 16);
      if (code <= 0x10ffff) return code;
    } else if (octal !== null) {
      this.#at += octal[0].length - 1;
      return Number.parseInt(octal[0], 8);
    } else {
      const control = CONTROLS.get(char);
      if (control !== undefined) return control;
      if (/^[\x00-\x7f]$/.test(char) && !/[A-Za-z0-9]/.test(char)) return char.charCodeAt(0);
    }
    throw this.#error(`invalid escape sequence: \`\\${char}\``);
  }

  #class(flags: Flags): CharTest {
    const isNegated = this.#peek() === "^";
    if (isNegated) this.#at += 1;
    const tests: CharTest[] = [];
    for (let first = true; first || this.#peek() !== "]"; first = false) {
      if (this.#peek() === undefined) throw this.#error("missing closing ]");
      tests.push(this.#classPart());
    }
    this.#at += 1;
    const test = folded((code) => tests.some((each) => each(code)), flags);
    return isNegated ? negated(test) : test;
  }

  #classPart(): CharTest {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#chars.slice(this.#at, this.#at + 20).join(""));
    if (posix !== null) {
      const named = POSIX_CLASSES.get(posix[2] ?? "");
      if (named === undefined) throw this.#error(`invalid character class range: \`${posix[0]}\``);
      this.#at += posix[0].length;
      return posix[1] === "^" ? negated(named) : named;
    }
    if (this.#peek() === "\\") {
      this.#at += 1;
      const escaped = this.#classEscape();
      if (escaped !== undefined) return escaped;
      this.#at -= 1;
    }
    const low = this.#classChar();
    const next = this.#chars[this.#at + 1];
    if (this.#peek() !== "-" || next === undefined || next === "]") return (code) => code === low;
    this.#at += 1;
    const high = this.#classChar();
    if (high < low) throw this.#error("invalid character class range");
    return (code) => code >= low && code <= high;
  }

  #classChar(): number {
    if (this.#peek() === undefined) throw this.#error("missing closing ]");
    const char = this.#next();
    return char === "\\" ? this.#escapedCode() : (char.codePointAt(0) ?? 0);
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string {
    const char = this.#chars[this.#at] ?? "";
    this.#at += 1;
    return char;
  }

  #looksAt(text: string): boolean {
    return [...text].every((char, i) => this.#chars[this.#at + i] === char);
  }

  #error(why: string): SyntaxError {
    return new SyntaxError(`error parsing regexp: ${why}`);
  }
}

const EMPTY: Node = { kind: "empty" };
const NEWLINE = 0x0a;
const ASSERTIONS: ReadonlyMap<string, Assertion> = new Map([
  ["A", "text-start"],
  ["z", "text-end"],
  ["b", "word"],
  ["B", "no-word"],
]);
const CONTROLS: ReadonlyMap<string, number> = new Map([
  ["a", 7],
  ["f", 12],
  ["t", 9],
  ["n", 10],
  ["r", 13],
  ["v", 11],
]);
const ascii =
  (set: RegExp): CharTest =>
  (code) =>
    code < 0x80 && set.test(String.fromCharCode(code));
const isWord = ascii(/\w/);
const PERL_CLASSES: ReadonlyMap<string, CharTest> = new Map([
  ["d", ascii(/\d/)],
  ["s", ascii(/[\t\n\f\r ]/)],
  ["w", isWord],
]);
const POSIX_CLASSES: ReadonlyMap<string, CharTest> = new Map([
  ["alnum", ascii(/[0-9A-Za-z]/)],
  ["alpha", ascii(/[A-Za-z]/)],
  ["ascii", (code) => code < 0x80],
  ["blank", ascii(/[\t ]/)],
  ["cntrl", (code) => code < 0x20 || code === 0x7f],
  ["digit", ascii(/\d/)],
  ["graph", ascii(/[!-~]/)],
  ["lower", ascii(/[a-z]/)],
  ["print", ascii(/[ -~]/)],
  ["punct", ascii(/[!-/:-@[-`{-~]/)],
  ["space", ascii(/[\t\n\v\f\r ]/)],
  ["upper", ascii(/[A-Z]/)],
  ["word", isWord],
  ["xdigit", ascii(/[0-9A-Fa-f]/)],
]);

function unicodeClass(name: string): CharTest | undefined {
  if (name === "Any") return () => true;
  for (const property of [`\\p{${name}}`, `\\p{Script=${name}}`]) {
    // Binary properties such as Alphabetic are JavaScript's, not Go's.
    if (name.length > 2 && !property.includes("Script=")) continue;
    try {
      const set = new RegExp(`^${property}$`, "u");
      return (code) => set.test(String.fromCodePoint(code));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}

function negated(test: CharTest): CharTest {
  return (code) => !test(code);
}

function folded(test: CharTest, { fold }: Flags): CharTest {
  if (!fold) return test;
  return (code) => {
    const char = String.fromCodePoint(code);
    const forms = [char, char.toLowerCase(), char.toUpperCase(), char.toUpperCase().toLowerCase()];
    return forms.some((form) => [...form].length === 1 && test(form.codePointAt(0) ?? 0));
  };
}

function literal(char: string, flags: Flags): Node {
  const wanted = char.codePointAt(0) ?? 0;
  if (!flags.fold) return { kind: "char", test: (code) => code === wanted };
  const key = (text: string): string => text.toUpperCase().toLowerCase();
  const wantedKey = key(char);
  return { kind: "char", test: (code) => key(String.fromCodePoint(code)) === wantedKey };
}

function assertion(kind: Assertion): Node {
  return { kind: "assertion", assertion: kind };
}

/** Whether every match begins with an assertion. */
function begins(node: Node, wanted: Assertion): boolean {
  return edge(node, wanted, (nodes) => nodes[0]);
}

function ends(node: Node, wanted: Assertion): boolean {
  return edge(node, wanted, (nodes) => nodes.at(-1));
}

function edge(
  node: Node,
  wanted: Assertion,
  pick: (nodes: readonly Node[]) => Node | undefined,
): boolean {
  if (node.kind === "assertion") return node.assertion === wanted;
  if (node.kind === "choice") return node.nodes.every((each) => edge(each, wanted, pick));
  if (node.kind !== "sequence") return false;
  const outermost = pick(node.nodes);
  return outermost !== undefined && edge(outermost, wanted, pick);
}

function compile(node: Node): readonly Instruction[] {
  const program: Instruction[] = [];
  const emit = <T extends Instruction>(instruction: T): T => {
    if (program.length >= MAX_INSTRUCTIONS) {
      throw new SyntaxError("error parsing regexp: expression too large");
    }
    program.push(instruction);
    return instruction;
  };
  const add = (part: Node): void => {
    switch (part.kind) {
      case "empty":
        return;
      case "char":
        emit({ op: "char", test: part.test });
        return;
      case "assertion":
        emit({ op: "assert", assertion: part.assertion });
        return;
      case "sequence":
        part.nodes.forEach(add);
        return;
      case "choice":
        addChoice(part.nodes);
        return;
      case "repeat":
        addRepeat(part.node, part.minimum, part.maximum);
    }
  };
  const addChoice = (nodes: readonly Node[]): void => {
    const jumps: { to: number }[] = [];
    nodes.forEach((each, i) => {
      const isLast = i === nodes.length - 1;
      const split = isLast ? undefined : emit({ op: "split", first: 0, second: 0 });
      if (split !== undefined) split.first = program.length;
      add(each);
      if (split === undefined) return;
      jumps.push(emit({ op: "jump", to: 0 }));
      split.second = program.length;
    });
    for (const jump of jumps) jump.to = program.length;
  };
  const addRepeat = (each: Node, minimum: number, maximum: number): void => {
    for (let i = 0; i < minimum; i++) add(each);
    if (maximum === Infinity) {
      const split = emit({ op: "split", first: 0, second: 0 });
      const start = program.length - 1;
      split.first = program.length;
      add(each);
      emit({ op: "jump", to: start });
      split.second = program.length;
      return;
    }
    const splits: { first: number; second: number }[] = [];
    for (let i = minimum; i < maximum; i++) {
      const split = emit({ op: "split", first: 0, second: 0 });
      split.first = program.length;
      add(each);
      splits.push(split);
    }
    for (const split of splits) split.second = program.length;
  };
  add(node);
  emit({ op: "match" });
  return program;
}

/** Follows all ways at once, a character at a time: no text makes it go back. */
function run(program: readonly Instruction[], text: readonly number[]): boolean {
  let states = new Set<number>();
  for (let at = 0; at <= text.length; at++) {
    const closed = closure(program, [...states, 0], text, at);
    if (closed === "matched") return true;
    const code = text[at];
    if (code === undefined) return false;
    states = new Set();
    for (const state of closed) {
      const instruction = program[state];
      if (instruction?.op === "char" && instruction.test(code)) states.add(state + 1);
    }
  }
  return false;
}

function closure(
  program: readonly Instruction[],
  from: readonly number[],
  text: readonly number[],
  at: number,
): ReadonlySet<number> | "matched" {
  const seen = new Set<number>();
  const open = [...from];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (seen.has(state)) continue;
    seen.add(state);
    const instruction = program[state];
    switch (instruction?.op) {
      case "match":
        return "matched";
      case "jump":
        open.push(instruction.to);
        break;
      case "split":
        open.push(instruction.second, instruction.first);
        break;
      case "assert":
        if (holds(instruction.assertion, text, at)) open.push(state + 1);
        break;
      default:
        break;
    }
  }
  return seen;
}

function holds(kind: Assertion, text: readonly number[], at: number): boolean {
  const before = text[at - 1];
  const after = text[at];
  switch (kind) {
    case "text-start":
      return at === 0;
    case "text-end":
      return at === text.length;
    case "line-start":
      return at === 0 || before === NEWLINE;
    case "line-end":
      return at === text.length || after === NEWLINE;
    default: {
      const isBoundary =
        (before !== undefined && isWord(before)) !== (after !== undefined && isWord(after));
      return (kind === "word") === isBoundary;
    }
  }
}
