# espnet-jst serve in a container: see docs/serving.md.
FROM python:3.12-slim AS packages
ARG PIP_INDEX_URL
RUN python -m venv /opt/jst
ENV PATH=/opt/jst/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
# First what changes seldom: without the code, this layer is made again with every change of it.
COPY setup.py pyproject.toml README.md ./
COPY constraints/espnet-202611.txt constraints/
COPY espnet_jst/version.py espnet_jst/__init__.py espnet_jst/
RUN pip install --only-binary torch,torchaudio --constraint constraints/espnet-202611.txt '.[serve]'
COPY espnet_jst espnet_jst
RUN pip install --no-deps --force-reinstall .

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 jst
COPY --from=packages /opt/jst /opt/jst
ENV PATH=/opt/jst/bin:$PATH PYTHONUNBUFFERED=1
USER jst
WORKDIR /home/jst
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=8)"]
ENTRYPOINT ["espnet-jst", "serve", "--host", "0.0.0.0"]
CMD ["--model", "/models/model.zip"]
