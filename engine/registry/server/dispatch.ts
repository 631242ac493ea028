import { deleteBlob, getBlob } from "./blobs.ts";
import type { Call, Service } from "./call.ts";
import { getCatalog, getReferrers, getTags } from "./listings.ts";
import { deleteManifest, getManifest, putManifest } from "./manifests.ts";
import { Refusal } from "./refusal.ts";
import { jsonReply, type Reply } from "./reply.ts";
import type { Route } from "./route.ts";
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from "./uploads.ts";

/** Gives a request to the one who answers it. @throws {Refusal} 405 for what the endpoint does not know. */
export function dispatch(service: Service, call: Call, route: Route): Reply | Promise<Reply> {
  const isRead = call.method === "GET" || call.method === "HEAD";
  switch (route.at) {
    case "base":
      if (isRead) return jsonReply({});
      throw notAllowed("GET, HEAD");
    case "catalog":
      if (isRead) return getCatalog(service, call);
      throw notAllowed("GET, HEAD");
    case "tags":
      if (isRead) return getTags(service, call, route.repository);
      throw notAllowed("GET, HEAD");
    case "referrers":
      if (isRead) return getReferrers(service, call, route.repository, route.digest);
      throw notAllowed("GET, HEAD");
    case "manifest": {
      const { repository, reference } = route;
      if (isRead) return getManifest(service, call, repository, reference);
      if (call.method === "PUT") return putManifest(service, call, repository, reference);
      if (call.method === "DELETE") return deleteManifest(service, call, repository, reference);
      throw notAllowed("GET, HEAD, PUT, DELETE");
    }
    case "blob":
      if (isRead) return getBlob(service, call, route.repository, route.digest);
      if (call.method === "DELETE") return deleteBlob(service, route.repository, route.digest);
      throw notAllowed("GET, HEAD, DELETE");
    case "uploads":
      if (call.method === "POST") return postUpload(service, call, route.repository);
      throw notAllowed("POST");
    case "upload": {
      const { repository, id } = route;
      if (isRead) return getUpload(service, repository, id);
      if (call.method === "PATCH") return patchUpload(service, call, repository, id);
      if (call.method === "PUT") return putUpload(service, call, repository, id);
      if (call.method === "DELETE") return deleteUpload(service, repository, id);
      throw notAllowed("GET, HEAD, PATCH, PUT, DELETE");
    }
  }
}

function notAllowed(allow: string): Refusal {
  return new Refusal(405, "UNSUPPORTED", "the operation is unsupported", {
    headers: { Allow: allow },
  });
}
