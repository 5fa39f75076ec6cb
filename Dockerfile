# The image holds the gateway's environment and nothing else: no compiler, no source, no pip that is needed any more. The
# gateway runs as a user of its own and writes nowhere but to /var/lib/cara-gateway and /tmp.
#
# The images below are pinned by version. By digest they could not be tampered with either: `docker buildx imagetools
# inspect python:3.13.5-slim-bookworm` says which it is, and it goes behind the version as @sha256:….

FROM python:3.13.5-slim-bookworm AS build
WORKDIR /src
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m venv /opt/cara-gateway \
 && /opt/cara-gateway/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY cara_pseud cara_pseud
COPY static static
COPY schemas schemas
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /opt/cara-gateway/bin/pip install --no-cache-dir --no-deps --no-index /wheel/*.whl

FROM python:3.13.5-slim-bookworm
RUN groupadd --system --gid 10001 gateway \
 && useradd --system --uid 10001 --gid gateway --create-home gateway \
 && install -d -o gateway -g gateway /var/lib/cara-gateway
COPY --from=build /opt/cara-gateway /opt/cara-gateway
ENV PATH=/opt/cara-gateway/bin:$PATH PYTHONDONTWRITEBYTECODE=1 CARA_GATEWAY_CONFIG=/etc/cara-gateway/gateway.toml
# By its number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /home/gateway
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["cara-gateway"]
# What is configured, and nothing else: docker run -p 8080:8080 cara-gateway demo --listen 0.0.0.0:8080 shows the demo.
CMD ["serve"]
