import { discardBody, type HttpResponse, networkFault, readBody } from "../io/http.ts";
import {
  isTransientError,
  isTransientStatus,
  MAX_RETRY_AFTER_MS,
  parseRetryAfter,
  retry,
} from "../io/retry.ts";
import { CosignError, hasCode } from "../model/errors.ts";
import { Authority } from "./authority.ts";
import { chooseChallenge } from "./challenge.ts";
import { isLocalHost, resolveLocation } from "./origins.ts";
import { type HostServices, type Question, tlsOptions } from "./question.ts";
import { MAX_ERROR_BYTES, type Reply, replyError } from "./reply.ts";
import type { RegistryOptions } from "./session.ts";

/** Far more than any registry needs; each further one is a loop. */
const MAX_REDIRECTS = 5;
const DEFAULT_CONCURRENCY = 64;
/** Headers that also another origin than the registry's gets. */
const PUBLIC_HEADERS: ReadonlySet<string> = new Set([
  "accept",
  "content-type",
  "content-range",
  "content-length",
]);

interface Contact {
  readonly scheme: "https" | "http";
  /** The `WWW-Authenticate` of the last 401; absent when there was none. */
  readonly challenge?: string;
}

/** Where a question goes. */
interface Route {
  readonly url: string;
  /** Scheme and host of the registry. */
  readonly base: string;
  /** Whether `url` is at the registry itself: only there are credentials for it. */
  readonly isHome: boolean;
}

/**
 * One registry: scheme, authentication, redirects, retries and budgets of what is asked of it.
 * There is no ping: the first question of the run, sent without credentials, settles scheme and
 * challenge for all threads, and is answered itself.
 */
export class RegistryHost {
  readonly name: string;
  readonly options: RegistryOptions;
  readonly services: HostServices;
  readonly #authority: Authority;
  #contact: Contact | undefined;

  /** @param name Host and port. */
  constructor(name: string, options: RegistryOptions, services: HostServices) {
    this.name = name;
    this.options = options;
    this.services = services;
    this.#authority = new Authority(name, options, services);
  }

  /** Whether the registry asked for a Bearer token, as far as is known. */
  get usesTokens(): boolean {
    return chooseChallenge(this.#contact?.challenge ?? null)?.scheme === "bearer";
  }

  /**
   * Asks.
   *
   * @throws {CosignError} by the registry's codes when there is no answer, or another one than `expect`.
   */
  async ask(question: Question): Promise<Reply> {
    const { contact, reply: first } = await this.#reach(question);
    const route = this.#route(question.path, contact.scheme);
    const challenge = route.isHome ? chooseChallenge(contact.challenge ?? null) : undefined;
    const sent =
      first !== undefined || challenge === undefined
        ? undefined
        : await this.#authority.authorization(challenge, question, route.base);
    let reply = first ?? (await this.#send(route, question, sent));
    if (reply.status === 401 && route.isHome) {
      reply = await this.#answer(reply, question, route, sent);
    }
    if (question.expect.includes(reply.status)) return reply;
    throw replyError(reply, question.what);
  }

  /** A path is at the registry whatever it looks like (`//other.example/`); a URL may be elsewhere. */
  #route(path: string, scheme: "https" | "http"): Route {
    const base = `${scheme}://${this.name}`;
    if (path.startsWith("/")) return { url: `${base}${path}`, base, isHome: true };
    return { url: path, base, isHome: new URL(path).origin === new URL(base).origin };
  }

  /** Answers the challenge of a 401; a second time when the token was an old one. */
  async #answer(
    refusal: Reply,
    question: Question,
    route: Route,
    sentBefore: string | undefined,
  ): Promise<Reply> {
    let reply = refusal;
    let sent = sentBefore;
    for (let tries = 0; tries < 2 && reply.status === 401; tries++) {
      const header = reply.headers.get("www-authenticate");
      const challenge = chooseChallenge(header);
      if (challenge === undefined || header === null) break;
      const scheme = route.base.startsWith("https:") ? "https" : "http";
      this.#contact = { scheme, challenge: header };
      if (sent !== undefined) this.#authority.forget(sent);
      const next = await this.#authority.authorization(challenge, question, route.base);
      if (next === undefined || next === sent) break;
      sent = next;
      reply = await this.#send(route, question, sent);
    }
    return reply;
  }

  async #reach(question: Question): Promise<{ contact: Contact; reply?: Reply }> {
    if (this.#contact !== undefined) return { contact: this.#contact };
    let reply: Reply | undefined;
    this.#contact = await this.services.shared.once<Contact>(
      `scheme:${this.name}`,
      async () => {
        const first = await this.#retrying(question, () => this.#exchangeFirst(question));
        reply = first.reply;
        const challenge = reply.status === 401 ? reply.headers.get("www-authenticate") : null;
        return { value: { scheme: first.scheme, ...(challenge === null ? {} : { challenge }) } };
      },
      question.signal,
    );
    return { contact: this.#contact, ...(reply === undefined ? {} : { reply }) };
  }

  /** https, or http where that may be and https does not answer. Without credentials. */
  async #exchangeFirst(question: Question): Promise<{ scheme: "https" | "http"; reply: Reply }> {
    const over = async (scheme: "https" | "http") => ({
      scheme,
      reply: await this.#exchange(this.#route(question.path, scheme), question, undefined),
    });
    try {
      return await over("https");
    } catch (error) {
      const fault = networkFault(error);
      const answersNoTls = fault === "refused" || fault === "no-tls" || fault === "broken";
      if (!answersNoTls || !this.#mayBePlain()) throw error;
      const plain = await over("http").catch((second: unknown) => {
        // Where only https answered at all, its error is the one that tells something.
        throw fault !== "refused" && networkFault(second) === "refused" ? error : second;
      });
      // "Client sent an HTTP request to an HTTPS server": it speaks TLS, but not with us.
      if (plain.reply.status === 400) throw error;
      return plain;
    }
  }

  #mayBePlain(): boolean {
    const { allowHttp, allowInsecure } = this.options;
    return allowHttp || allowInsecure || isLocalHost(this.name);
  }

  async #send(route: Route, question: Question, authorization: string | undefined): Promise<Reply> {
    const { reply } = await this.#retrying(question, async () => ({
      reply: await this.#exchange(route, question, authorization),
    }));
    return reply;
  }

  #retrying<T extends { readonly reply: Reply }>(
    question: Question,
    exchange: () => Promise<T>,
  ): Promise<T> {
    const { replayable = true, signal } = question;
    const { attempts } = this.options;
    return retry(
      async () => {
        try {
          const result = await exchange();
          const { status, headers } = result.reply;
          const mayPass = isTransientStatus(status) || question.mayPass?.(result.reply);
          if (!mayPass || (!replayable && status !== 429)) {
            return { value: result };
          }
          const afterMs = parseRetryAfter(headers.get("retry-after"), Date.now());
          const transient = replyError(result.reply, question.what);
          return afterMs === undefined ? { transient } : { transient, afterMs };
        } catch (error) {
          const answeredBefore = this.#contact !== undefined;
          if (replayable && isTransientError(error, answeredBefore)) return { transient: error };
          throw error;
        }
      },
      {
        ...(attempts === undefined ? {} : { attempts }),
        ...(signal === undefined ? {} : { signal }),
      },
    );
  }

  /** One request within its budget, and those that redirects make of it. */
  #exchange(route: Route, question: Question, authorization: string | undefined): Promise<Reply> {
    const reads = question.method === "GET" || question.method === "HEAD";
    const budget = question.budget ?? (reads ? "registry-read" : "registry-write");
    return this.services.budgets.run(
      `${budget}:${this.name}`,
      this.options.concurrency ?? DEFAULT_CONCURRENCY,
      async (gate) => {
        const reply = await this.#follow(route, question, authorization);
        if (reply.status !== 429 && reply.status !== 503) return reply;
        const afterMs = parseRetryAfter(reply.headers.get("retry-after"), Date.now());
        if (reply.status === 429 || afterMs !== undefined) {
          gate.throttled(afterMs && Math.min(afterMs, MAX_RETRY_AFTER_MS));
        }
        return reply;
      },
      question.signal,
    );
  }

  async #follow(
    route: Route,
    question: Question,
    authorization: string | undefined,
  ): Promise<Reply> {
    const reads = question.method === "GET" || question.method === "HEAD";
    let { url, isHome } = route;
    for (let hops = 0; ; hops++) {
      const response = await this.#request(url, question, isHome, authorization);
      if (!isRedirect(response.status)) return await this.#read(response, question);
      discardBody(response);
      const target = resolveLocation(response.headers.get("location"), url, question.what);
      // Once away, never again with credentials, not even back at home (go-containerregistry #2360).
      isHome &&= target.origin === new URL(route.base).origin;
      const repeats = response.status === 307 || response.status === 308;
      if (hops >= MAX_REDIRECTS || (!reads && (!repeats || !isHome))) {
        throw new CosignError(
          "REGISTRY_REDIRECT",
          hops >= MAX_REDIRECTS
            ? `Cannot ${question.what}: more than ${MAX_REDIRECTS} redirects`
            : `Cannot ${question.what}: the registry redirects what is to be written`,
        );
      }
      url = target.href;
    }
  }

  #request(
    url: string,
    question: Question,
    isHome: boolean,
    authorization: string | undefined,
  ): Promise<HttpResponse> {
    const { method, body, signal, meter } = question;
    const headers: Record<string, string> = { "user-agent": this.options.userAgent };
    for (const [name, value] of Object.entries(question.headers ?? {})) {
      if (isHome || PUBLIC_HEADERS.has(name)) headers[name] = value;
    }
    if (isHome && authorization !== undefined) headers["authorization"] = authorization;
    if (meter !== undefined) meter.requests++;
    return this.services.http({
      method,
      url,
      headers,
      tls: tlsOptions(this.options, isHome),
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
      ...(this.options.requestTimeoutMs === undefined
        ? {}
        : { timeoutMs: this.options.requestTimeoutMs }),
    });
  }

  async #read(response: HttpResponse, question: Question): Promise<Reply> {
    const { status, headers, url } = response;
    if (question.method === "HEAD") {
      discardBody(response);
      return { status, headers, url, body: new Uint8Array() };
    }
    if (question.expect.includes(status) && status < 400) {
      if (question.leaveOpen === true) {
        return { status, headers, url, body: new Uint8Array(), open: response };
      }
      return { status, headers, url, body: await readBody(response, question.limitBytes) };
    }
    return { status, headers, url, body: await readErrorBody(response) };
  }
}

/** An error's text is no more than that: too long or unreadable, the status still says what there is to say. */
async function readErrorBody(response: HttpResponse): Promise<Uint8Array> {
  try {
    return await readBody(response, MAX_ERROR_BYTES);
  } catch (error) {
    if (hasCode(error, "LIMIT_EXCEEDED", "REGISTRY_PROTOCOL", "REGISTRY_NETWORK")) {
      return new Uint8Array();
    }
    throw error;
  }
}

function isRedirect(status: number): boolean {
  return status >= 301 && status <= 308 && status !== 304 && status !== 305 && status !== 306;
}
