import type { Repository } from "../model/reference.ts";
import type { Store } from "./store.ts";

/** How registries are spoken to: cosign's registry flags. JSON: it crosses threads. */
export interface RegistryOptions {
  /** `--allow-http-registry`: http for every registry. */
  readonly allowHttp: boolean;
  /** `--allow-insecure-registry`: certificates are not checked, and http is tried where TLS does not answer. */
  readonly allowInsecure: boolean;
  readonly username?: string;
  readonly password?: string;
  /** `--k8s-keychain`: what docker and podman keep, then the clouds' own ways to log in, and nothing else. */
  readonly cloudLogin?: boolean;
  /** `--registry-token`. */
  readonly token?: string;
  /** PEM, not paths. */
  readonly caPem?: string;
  readonly clientCertificatePem?: string;
  readonly clientKeyPem?: string;
  readonly serverName?: string;
  readonly userAgent: string;
  /** Time one request may take until its headers are there and its body moves, in milliseconds. Default 60,000. */
  readonly requestTimeoutMs?: number;
  /** How often a request is tried at most. Default 6. */
  readonly attempts?: number;
  /** Requests in flight to one registry, over all threads. Default 64. */
  readonly concurrency?: number;
  /** `--verbose`: a line a request on stderr, secrets redacted. */
  readonly verbose?: boolean;
}

/** Counts the requests that were sent on somebody's behalf, retries included. */
export interface RequestMeter {
  requests: number;
}

/** All registries, spoken to with one set of options. */
export interface Registry {
  /** One repository as a store. Cheap: made per job, with the job's meter. */
  repository(repository: Repository, meter?: RequestMeter): Store;
  /** The tags of a repository, page by page. @throws {CosignError} `IMAGE_NOT_FOUND` when there is no such repository. */
  tags(repository: Repository, signal?: AbortSignal): AsyncIterable<string>;
  /** The repositories of a registry by its catalog, page by page. */
  catalog(registry: string, signal?: AbortSignal): AsyncIterable<string>;
}
