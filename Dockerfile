# docker build -t cosign-ts .
# docker run --rm -v "$PWD:/work:ro" -w /work cosign-ts verify --key cosign.pub …

FROM node:22-bookworm-slim AS build
# Go compiles CUE and OPA, which are embedded.
COPY --from=golang:1.26-bookworm /usr/local/go /usr/local/go
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
COPY .ci/lib.mjs .ci/setup.mjs .ci/
RUN node .ci/setup.mjs
COPY . .
RUN npm run build && \
    mkdir -p /tree/bin /tree/work /tree/etc/ssl/certs && \
    cp dist/cosign-ts /tree/bin/ && \
    # The loader and the C library, and nothing else: what the binary asks for by itself.
    ldd dist/cosign-ts | grep -o '/[^ ]*' | xargs -I{} cp --parents -L {} /tree/

FROM scratch
COPY --from=build /tree/ /
# Who runs it decides where it may write; a volume, or nothing at all, is enough to verify.
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["/bin/cosign-ts"]
