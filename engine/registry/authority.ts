import { encodeBase64, utf8 } from "../model/bytes.ts";
import type { Challenge } from "./challenge.ts";
import { type CredentialFile, type Credentials, readCredentialFiles } from "./credential_files.ts";
import { findCredentials } from "./credentials.ts";
import { checkRealm } from "./origins.ts";
import type { HostServices, Question } from "./question.ts";
import type { RegistryOptions } from "./session.ts";
import { fetchToken, type Token } from "./token.ts";

/** The `Authorization` of what is asked of one registry. One token per registry and scope, for all threads. */
export class Authority {
  readonly #host: string;
  readonly #options: RegistryOptions;
  readonly #services: HostServices;
  /** Tokens that this thread knows, by the key that all threads share them under. */
  readonly #tokens: Map<string, Token> = new Map();
  /** What was found for a repository; files are read once. */
  readonly #found: Map<string, Credentials | undefined> = new Map();
  #files: readonly CredentialFile[] | undefined;

  constructor(host: string, options: RegistryOptions, services: HostServices) {
    this.#host = host;
    this.#options = options;
    this.#services = services;
  }

  /**
   * What to send in answer to a challenge; nothing when we have nothing to send.
   *
   * @param base Scheme and host as the registry is spoken to.
   * @throws {CosignError} `CREDENTIALS_INVALID`, `REGISTRY_REDIRECT` when the realm is not to be trusted, or what
   * the token server says.
   */
  async authorization(
    challenge: Challenge,
    question: Question,
    base: string,
  ): Promise<string | undefined> {
    const credentials = await this.#credentials(question);
    if (credentials?.kind === "bearer") {
      return challenge.scheme === "bearer" ? `Bearer ${credentials.token}` : undefined;
    }
    if (challenge.scheme === "basic") {
      if (credentials?.kind !== "basic") return undefined;
      return `Basic ${encodeBase64(utf8(`${credentials.username}:${credentials.password}`))}`;
    }
    const realm = checkRealm(challenge.parameters["realm"] ?? "", base);
    const service = challenge.parameters["service"];
    const scope = grantedScope(challenge.parameters["scope"], question.scope);
    const key = `token:${this.#host}:${realm.href}:${service ?? ""}:${scope}`;
    const known = this.#tokens.get(key);
    if (known !== undefined && Date.now() < known.expiresAtMs) return `Bearer ${known.token}`;
    const token = await this.#services.shared.once<Token>(
      key,
      async () => {
        const fresh = await fetchToken(
          { realm, scope, credentials, isHome: realm.origin === base, ...(service && { service }) },
          this.#options,
          this.#services,
          question,
        );
        return { value: fresh, expiresAtMs: fresh.expiresAtMs };
      },
      question.signal,
    );
    this.#tokens.set(key, token);
    return `Bearer ${token.token}`;
  }

  /** Forgets the token of an `Authorization` that was refused. */
  forget(authorization: string): void {
    for (const [key, token] of this.#tokens) {
      if (authorization !== `Bearer ${token.token}`) continue;
      this.#tokens.delete(key);
      this.#services.shared.forget(key, token);
    }
  }

  async #credentials(question: Question): Promise<Credentials | undefined> {
    const { username, password, token, cloudLogin } = this.#options;
    if (cloudLogin === true) {
      return (await this.#kept(question)) ?? (await this.#logIn(question.signal));
    }
    if (username !== undefined && password !== undefined) {
      return { kind: "basic", username, password };
    }
    if (token !== undefined) return { kind: "bearer", token };
    return await this.#kept(question);
  }

  /** By the cloud whose registry it is: once for all threads, as long as it holds. */
  async #logIn(signal: AbortSignal | undefined): Promise<Credentials | undefined> {
    const { cloudLogin: logIn, shared } = this.#services;
    if (logIn === undefined) return undefined;
    const found = await shared.once<Credentials | null>(
      `login:${this.#host}`,
      async () => {
        const access = await logIn(this.#host, signal);
        const { expiresAtMs } = access ?? {};
        const value = access?.credentials ?? null;
        return { value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
      },
      signal,
    );
    return found ?? undefined;
  }

  /** What docker and podman keep. */
  async #kept(question: Question): Promise<Credentials | undefined> {
    const repository = /^repository:([^:]+):/.exec(question.scope)?.[1] ?? "";
    if (!this.#found.has(repository)) {
      this.#files ??= readCredentialFiles(this.#services.env);
      const found = await findCredentials(
        this.#files,
        this.#host,
        repository,
        this.#services,
        question.signal,
      );
      this.#found.set(repository, found);
    }
    return this.#found.get(repository);
  }
}

/**
 * The scope to ask a token for: the registry's own wording where it stays within what we need.
 * A registry must not make us fetch a token for another repository and hand it over.
 */
export function grantedScope(asked: string | undefined, needed: string): string {
  if (asked === undefined || asked === "") return needed;
  const limits = new Map(needed.split(" ").map(splitScope));
  const isWithin = asked.split(" ").every((entry) => {
    const [resource, actions] = splitScope(entry);
    const allowed = limits.get(resource);
    if (allowed === undefined) return false;
    return actions.every((action) => allowed.includes(action));
  });
  return isWithin ? asked : needed;
}

function splitScope(entry: string): readonly [string, readonly string[]] {
  const colon = entry.lastIndexOf(":");
  return [entry.slice(0, Math.max(colon, 0)), entry.slice(colon + 1).split(",")];
}
