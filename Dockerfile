# patdesk as a container: one static binary, nothing else. Build and run it as docs/install.md says. For another architecture
# nothing is emulated: the build stage runs on this machine's own and Go compiles for the other.

FROM --platform=$BUILDPLATFORM golang:1.26.8@sha256:3c3e25a4da13fd0478eed2df1eb35a0e667094a7124d3993a6a1d30f71c17e79 AS build
WORKDIR /src
COPY go.mod go.sum ./
# Behind a proxy that inspects traffic, its authority is handed over with --secret id=ca,src=corp.pem: it counts beside the
# public ones, and is in no layer. A mirror of modules is named with --build-arg GOPROXY=….
ARG GOPROXY
RUN --mount=type=secret,id=ca SSL_CERT_FILE=/run/secrets/ca go mod download
COPY . .
# What -version says: a release's tag, and the commit, since the history isn't here.
ARG VERSION=
ARG REVISION=
ARG TARGETOS
ARG TARGETARCH
RUN GOOS=${TARGETOS} GOARCH=${TARGETARCH} VERSION=${VERSION} REVISION=${REVISION} scripts/build /out/patdesk \
    && mkdir -p /out/licenses /out/root && install -d -m 0700 /out/root/data \
    && cp LICENSE /out/licenses/ && cp /usr/share/doc/ca-certificates/copyright /out/licenses/ca-certificates \
    && go run ./scripts/contents -binary /out/patdesk -notices /out/licenses/THIRD_PARTY_NOTICES.txt

# Scratch has no shell, no package manager and nothing to patch: only the binary, the certificates of public CAs, the
# licences of both, and the folder for sessions, which is the only place that is written to.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/patdesk /patdesk
COPY --from=build /out/licenses /licenses
COPY --from=build --chown=65532:65532 /out/root/ /

# 65532 is nobody's number on common systems; a number lets Kubernetes see that it isn't root.
USER 65532:65532
ENV LISTEN_ADDRESS=0.0.0.0:5000 SESSION_DIR=/data/sessions
# The demo's folder is made there.
ENV TMPDIR=/data
EXPOSE 5000
VOLUME /data
HEALTHCHECK --interval=30s --timeout=6s --start-period=5s CMD ["/patdesk", "-healthcheck"]
ENTRYPOINT ["/patdesk"]
