/** Where and how companions of images are kept: cosign's variables and flags. JSON. */
export interface Conventions {
  /** `COSIGN_REPOSITORY`: the repository that holds all signatures, as it is. */
  readonly targetRepository?: string;
  /** `--attachment-tag-prefix`; empty for none. */
  readonly tagPrefix: string;
  /** `COSIGN_DOCKER_MEDIA_TYPES`. */
  readonly dockerMediaTypes: boolean;
  /** `--record-creation-timestamp` and `SOURCE_DATE_EPOCH`: RFC 3339; absent for the zero time. */
  readonly createdAt?: string;
  /** `COSIGN_MAX_ATTACHMENT_SIZE`. */
  readonly maxAttachmentBytes: number;
}

/** cosign's default of `COSIGN_MAX_ATTACHMENT_SIZE`: 128 MiB. */
export const DEFAULT_MAX_ATTACHMENT_BYTES = 134_217_728;
