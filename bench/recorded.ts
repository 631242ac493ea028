/** A request as a recorder saw it. JSON. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64. */
  readonly body?: string;
  /** The upload that its answer began. */
  readonly upload?: string;
  /** Numbers of requests before it in the list whose answers it needs. */
  readonly after: readonly number[];
}

/** The id in the address of an upload. */
export function uploadOf(location: string): string | undefined {
  return /\/blobs\/uploads\/([^/?]+)/.exec(location)?.[1];
}
