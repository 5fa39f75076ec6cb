# The image holds the wheel, its locked requirements and nothing else; the gateway runs as a user of its own.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY cara_pseud cara_pseud
COPY static static
COPY schemas schemas
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home gateway && install -d -o gateway /var/lib/cara-gateway
COPY requirements/runtime.txt /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/runtime.txt && rm /tmp/runtime.txt
COPY --from=build /wheel /tmp/wheel
RUN pip install --no-cache-dir --no-deps /tmp/wheel/*.whl && rm -r /tmp/wheel
USER gateway
WORKDIR /home/gateway
EXPOSE 8080
ENTRYPOINT ["cara-gateway"]
CMD ["demo", "--listen", "0.0.0.0:8080"]
