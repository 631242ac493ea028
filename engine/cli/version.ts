/** The version of this program, the same as in `package.json`. */
export const VERSION = "0.1.0";

/** How this program calls itself to servers. @param platform `linux/x64`. */
export function userAgent(platform: string): string {
  return `cosign-ts/${VERSION} (${platform.replace("/", "; ")})`;
}
