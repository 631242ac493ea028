import type { Budgets } from "../io/budget.ts";
import { checkCertificates, checkClientKey } from "../io/certificates.ts";
import type { Environment } from "../io/env.ts";
import { logExchange } from "../io/exchange_log.ts";
import { httpClient } from "../io/http.ts";
import type { Shared } from "../io/shared.ts";
import type { Digest } from "../model/digest.ts";
import { CosignError } from "../model/errors.ts";
import type { Repository } from "../model/reference.ts";
import type { CloudLogin } from "../plugin_host/registry_login.ts";
import { streamBlob, writeBlobFrom } from "./blob_stream.ts";
import { KnownBlobs, readBlob, writeBlob } from "./blobs.ts";
import { RegistryHost } from "./host.ts";
import { listCatalog, listTags } from "./listing.ts";
import { headManifest, readManifest, removeManifest, writeManifest } from "./manifests.ts";
import {
  type Abilities,
  announceReferrers,
  forgetReferrers,
  hasReferrersApi,
  listReferrers,
} from "./referrers.ts";
import { scopeTo } from "./scoped.ts";
import type { Registry, RegistryOptions, RequestMeter } from "./session.ts";
import type { Store } from "./store.ts";

/** What registries are spoken to with: of the run, and of this thread. */
export interface RegistryServices {
  readonly shared: Shared;
  readonly budgets: Budgets;
  readonly env: Environment;
  /** Asked where the options want it. Absent: there are no clouds. */
  readonly cloudLogin?: CloudLogin;
}

/** What this thread knows of one registry. */
interface Known {
  readonly host: RegistryHost;
  readonly blobs: KnownBlobs;
  readonly abilities: Abilities;
  readonly enforced: Map<string, boolean>;
  /** Manifests that the registry listed as referrers by itself when they were written. */
  readonly listed: Set<Digest>;
}

/**
 * Opens all registries with one set of options. Nothing is asked of any yet.
 *
 * @throws {CosignError} `CREDENTIALS_INVALID` when a certificate or key cannot be read, `USAGE` when only one half
 * of a pair is given.
 */
export function openRegistry(options: RegistryOptions, services: RegistryServices): Registry {
  checkOptions(options);
  const http = httpClient({
    env: services.env,
    ...(options.verbose ? { onExchange: logExchange } : {}),
  });
  const hosts = new Map<string, Known>();
  const known = (registry: string): Known => {
    let entry = hosts.get(registry);
    if (entry === undefined) {
      entry = {
        host: new RegistryHost(registry, options, { ...services, http }),
        blobs: new KnownBlobs(),
        abilities: {},
        enforced: new Map(),
        listed: new Set(),
      };
      hosts.set(registry, entry);
    }
    return entry;
  };
  return {
    repository: (repository, meter) =>
      repositoryStore(known(repository.registry), repository, meter),
    tags: (repository, signal) => listTags(known(repository.registry).host, repository, signal),
    catalog: (registry, signal) => listCatalog(known(registry).host, signal),
  };
}

function repositoryStore(
  { host, blobs, abilities, enforced, listed }: Known,
  { repository }: Repository,
  meter: RequestMeter | undefined,
): Store {
  const scoped = scopeTo(host, repository, meter);
  const store: Store = {
    name: scoped.name,
    head: (reference, signal) => headManifest(scoped, reference, signal),
    manifest: (reference, signal) => readManifest(scoped, reference, signal),
    repository: { registry: host.name, repository },
    blob: (descriptor, limitBytes, signal) => readBlob(scoped, descriptor, limitBytes, signal),
    streamBlob: (descriptor, signal) => streamBlob(scoped, descriptor, signal),
    pushBlobFrom: (descriptor, source, signal) =>
      writeBlobFrom(scoped, blobs, descriptor, source, signal),
    pushBlob: (content, digest, signal) => writeBlob(scoped, blobs, content, digest, signal),
    pushManifest: async (content, mediaType, reference, precondition, signal) => {
      const { etag, subject, digest } = await writeManifest(
        scoped,
        content,
        mediaType,
        reference,
        precondition,
        signal,
      );
      if (subject !== undefined) listed.add(digest);
      return etag;
    },
    referrers: (digest, signal) => listReferrers(scoped, store, abilities, digest, signal),
    announceReferrer: (subject, referrers, options) => {
      const unlisted = [referrers].flat().filter(({ digest }) => !listed.delete(digest));
      return announceReferrers(scoped, store, abilities, subject, unlisted, options);
    },
    forgetReferrers: (subject, referrers, options) =>
      forgetReferrers(scoped, store, abilities, subject, referrers, options),
    listsReferrers: (subject, signal) => hasReferrersApi(scoped, abilities, subject, signal),
    remove: (reference, signal) => removeManifest(scoped, reference, signal),
    enforces: async (kind, prove) => {
      const isEnforced =
        enforced.get(kind) ??
        (await host.services.shared.once(`enforces-${kind}:${host.name}`, async () => ({
          value: await prove(),
        })));
      enforced.set(kind, isEnforced);
      return isEnforced;
    },
  };
  return store;
}

function checkOptions(options: RegistryOptions): void {
  const { caPem, clientCertificatePem, clientKeyPem, username, password } = options;
  if ((clientCertificatePem === undefined) !== (clientKeyPem === undefined)) {
    throw new CosignError(
      "USAGE",
      "Cannot use a client certificate without its key, nor a key alone",
      {
        hint: "Give both --registry-client-cert and --registry-client-key",
      },
    );
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new CosignError("USAGE", "Cannot log in with half of a user name and password", {
      hint: "Give both --registry-username and --registry-password",
    });
  }
  if (caPem !== undefined) checkCertificates(caPem, "the CA certificate");
  if (clientCertificatePem !== undefined && clientKeyPem !== undefined) {
    checkCertificates(clientCertificatePem, "the client certificate");
    checkClientKey(clientKeyPem, clientCertificatePem);
  }
}
