# The service. The image holds churnml and nobody's customers: a project is mounted at /project.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/churnml
ENV PATH=/opt/churnml/bin:$PATH
WORKDIR /build
COPY requirements.txt requirements-image.txt ./
RUN pip install --require-hashes --no-deps -r requirements.txt \
    && pip install --require-hashes --no-deps -r requirements-image.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY features features
COPY training training
COPY serving serving
COPY data/sources.toml data/text.toml data/
RUN pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
# LightGBM's threads.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home churnml \
    && install --directory --owner churnml --group churnml /project
COPY --from=build /opt/churnml /opt/churnml
ENV PATH=/opt/churnml/bin:$PATH PYTHONUNBUFFERED=1
USER churnml
WORKDIR /project
VOLUME /project
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["churnml"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
