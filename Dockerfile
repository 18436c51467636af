# One image for each process; they differ in one variable and share their layers:
#   docker build --build-arg SERVICE=eventstore -t qaservice/eventstore:1.0.0 .
# SERVICE is eventstore, projector, projection or monolith. What follows the image's name goes to the command:
#   docker run -p 8080:8080 -p 8081:8081 qaservice/monolith:1.0.0 --memdb

# Not above 3.13: grpcio, which EventStoreDB's driver needs, has no wheels there. To build the same bytes again, name a
# digest: --build-arg PYTHON=3.13-slim-trixie@sha256:…
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv --without-pip /opt/qaservice
COPY requirements/run.txt requirements/
RUN pip --python /opt/qaservice/bin/python install --no-deps --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY libs libs
COPY services services
RUN pip --python /opt/qaservice/bin/python install --no-deps --no-build-isolation . \
    && pip --python /opt/qaservice/bin/python uninstall --yes \
        editables grpcio-tools hatchling pathspec pluggy setuptools tomlkit trove-classifiers

FROM python:${PYTHON}
ENV PATH=/opt/qaservice/bin:$PATH
COPY --from=build /opt/qaservice /opt/qaservice
# The base has the standard library as source alone, and a service may not write: importing everything of ours once, here,
# compiles what it needs, and shows that it loads.
RUN python -c "import http.client, importlib, pkgutil, qaservice, services; \
    [importlib.import_module(module.name) for ours in (qaservice, services) \
    for module in pkgutil.walk_packages(ours.__path__, ours.__name__ + '.')]" \
    && mkdir /data && chown 10001:10001 /data
ENV PYTHONDONTWRITEBYTECODE=1

ARG SERVICE=monolith
ENV SERVICE=${SERVICE}
# Stops the build where SERVICE is no command.
RUN qaservice "$SERVICE" --help > /dev/null

USER 10001:10001
# For --sqlite /data on a volume; with the databases nothing is written at all.
WORKDIR /data
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=11s --start-period=20s CMD ["python", "-I", "-m", "qaservice.runtime.healthcheck", "live"]
# The shell only puts SERVICE in: after exec the process has its place, and gets the signals.
ENTRYPOINT ["sh", "-c", "exec qaservice \"$SERVICE\" \"$@\"", "qaservice"]
