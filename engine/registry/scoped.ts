import type { Digest } from "../model/digest.ts";
import type { RegistryHost } from "./host.ts";
import type { Question } from "./question.ts";
import type { Reply } from "./reply.ts";
import type { RequestMeter } from "./session.ts";
import type { Tag } from "./store.ts";

/** A question about one repository: its token's scope follows from the method. */
export type RepositoryQuestion = Omit<Question, "scope" | "meter"> & {
  /** The token must also allow this (mounting reads another repository). */
  readonly alsoScope?: string;
};

/** One repository of a registry, and who its requests are counted for. */
export interface Scoped {
  readonly host: RegistryHost;
  readonly repository: string;
  /** `registry/repository`. */
  readonly name: string;
  /** The whole reference, for messages. */
  nameOf(reference: Digest | Tag): string;
  ask(question: RepositoryQuestion): Promise<Reply>;
}

/** Narrows a registry down to one of its repositories. */
export function scopeTo(
  host: RegistryHost,
  repository: string,
  meter: RequestMeter | undefined,
): Scoped {
  const name = `${host.name}/${repository}`;
  return {
    host,
    repository,
    name,
    nameOf: (reference) => `${name}${reference.includes(":") ? "@" : ":"}${reference}`,
    ask: ({ alsoScope, ...question }) => {
      const own = `repository:${repository}:${ACTIONS[question.method]}`;
      const scope = alsoScope === undefined ? own : `${own} ${alsoScope}`;
      return host.ask({ ...question, scope, meter });
    },
  };
}

const ACTIONS: Readonly<Record<Question["method"], string>> = {
  GET: "pull",
  HEAD: "pull",
  POST: "pull,push",
  PUT: "pull,push",
  PATCH: "pull,push",
  DELETE: "pull,push,delete",
};
