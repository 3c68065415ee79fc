# patdesk as a container: one static binary, nothing else. Build and run it as README.md says.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/patdesk . \
    && mkdir -p /out/root && install -d -m 0700 /out/root/data

# Scratch has no shell, no package manager and nothing to patch: only the binary, the certificates of public CAs and
# the folder for sessions, which is the only place that is written to.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/patdesk /patdesk
COPY --from=build --chown=65532:65532 /out/root/ /

# 65532 is nobody's number on common systems; a number lets Kubernetes see that it isn't root.
USER 65532:65532
ENV LISTEN_ADDRESS=0.0.0.0:5000 SESSION_DIR=/data/sessions
EXPOSE 5000
VOLUME /data
HEALTHCHECK --interval=30s --timeout=6s --start-period=5s CMD ["/patdesk", "-healthcheck"]
ENTRYPOINT ["/patdesk"]
