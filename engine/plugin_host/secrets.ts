import type { Environment } from "../io/env.ts";

/** Values of variables of these names are secrets; those of names that end in FILE and the like are not. */
const SECRET_NAME = /TOKEN|SECRET|PASSWORD|PASSPHRASE|ACCESS_KEY|API_KEY|CREDENTIAL|(?:^|_)PIN$/i;
const PLACE_NAME =
  /_(?:FILE|PATH|DIR|URI|URL|ENDPOINT|ID|PROVIDER|TOKEN_CREDENTIALS|APPLICATION_CREDENTIALS)$/i;
const SECRET_HEADER =
  /^(?:authorization|proxy-authorization|cookie|.*token.*|.*secret.*|.*api-key)$/i;
/** What is shorter is a word, and stands in messages by chance. */
const MIN_CHARACTERS = 4;
const STRUCK = "REDACTED";

/** Secrets that one plugin has met: no message shows them. */
export class Secrets {
  readonly #texts: Set<string> = new Set();

  /** Takes a secret, in all the forms in which services repeat it. */
  add(text: string): void {
    const plain = text.trim();
    if (plain.length < MIN_CHARACTERS) return;
    this.#texts.add(plain);
    this.#texts.add(encodeURIComponent(plain));
    this.#texts.add(JSON.stringify(plain).slice(1, -1));
  }

  /** Takes the values of variables that are called like secrets. */
  addEnvironment(env: Environment): void {
    for (const [name, value] of Object.entries(env)) {
      if (value !== undefined && SECRET_NAME.test(name) && !PLACE_NAME.test(name)) this.add(value);
    }
  }

  /** Takes the credentials of a request: `Authorization`, `X-Vault-Token`, … */
  addHeaders(headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) {
      if (!SECRET_HEADER.test(name)) continue;
      this.add(value);
      this.add(value.replace(/^\w+ +/, "")); // behind "Bearer"
    }
  }

  /** A text with all secrets struck out. */
  strike(text: string): string {
    // The longest first: one may be a part of another.
    const all = [...this.#texts].sort((a, b) => b.length - a.length);
    return all.reduce((struck, secret) => struck.replaceAll(secret, STRUCK), text);
  }
}
