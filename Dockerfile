# ARC in one container: Prefect's server, the workers and the trainings. docs/deploy.md says how to run it.
# torch brings CUDA's libraries with it; of the host only NVIDIA's driver is needed, by way of its container toolkit.
FROM python:3.11-slim

# A compiler, for what Triton and DeepSpeed build when they are first used.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc g++ \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 arc \
    && mkdir /var/lib/arc /var/lib/arc-anchors \
    && chown arc: /var/lib/arc /var/lib/arc-anchors

WORKDIR /opt/arc
COPY pyproject.toml requirements.lock README.md prefect.yaml ./
COPY arc_core arc_core
COPY configs configs
COPY flows flows
COPY scripts scripts
COPY tasks tasks
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir pip==26.3 \
    && .venv/bin/pip install --no-cache-dir --constraint requirements.lock --build-constraint requirements.lock \
       --editable .

USER arc
ENV ARC_HOME=/var/lib/arc \
    PREFECT_HOME=/var/lib/arc/prefect \
    PYTHONUNBUFFERED=1
VOLUME /var/lib/arc /var/lib/arc-anchors
EXPOSE 4200
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=30s --start-period=180s --retries=3 CMD ["scripts/health"]
CMD ["scripts/up"]
