# stylepress as an image: the command line, the library and a Prefect worker, with the default encoder's weights inside.
#
# Build, with torch as the package index has it (on x86-64 that brings CUDA, several GB):
#   docker build -t stylepress .
# Build for machines without a GPU, with a CPU build of torch:
#   docker build -t stylepress --build-arg TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu .
# Render; the pictures and the output are in the current folder:
#   docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" stylepress stylepress render manifest.yaml
# Work for a Prefect server; --init reaps the processes that flow runs leave behind:
#   docker run --init -e PREFECT_API_URL=http://prefect.example:4200/api stylepress \
#     prefect worker start --pool render-pool --type process

ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS builder

# An additional index, asked beside the ordinary one. A CPU build (2.x.y+cpu) counts as newer than plain 2.x.y and wins.
ARG TORCH_INDEX_URL=
# Another package index, or a folder of wheels inside the build, where pip's defaults will not do.
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS

WORKDIR /build

# Dependencies alone first: this layer, and its copy in the final image, stay the same while only the source changes.
# Bytecode is not compared with its source, since not every builder keeps the times of files that it copies. `|| true`
# because packages bring files for newer Pythons, which do not compile and are not imported.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib as t; print(*t.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > requirements.txt \
    && python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-compile -r requirements.txt -c constraints.txt \
        ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} \
    && { python -m compileall -qq --invalidation-mode unchecked-hash /opt/venv/lib || true; }

COPY README.md LICENSE NOTICE hatch_build.py ./
COPY stylecore stylecore
COPY flows flows
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps --root /package . \
    && python -m compileall -q --invalidation-mode unchecked-hash -s /package /package/opt/venv/lib


FROM python:${PYTHON_VERSION}-slim-bookworm

# The base image has no bytecode of the standard library; without it, every start would compile what it imports.
RUN python -m compileall -q --invalidation-mode unchecked-hash -x site-packages \
        "$(python -c "import sysconfig; print(sysconfig.get_path('stdlib'))")"

ENV PATH=/opt/venv/bin:$PATH \
    HOME=/home/stylepress \
    TZ=UTC \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false

# Open to every user id, for `docker run --user`: Prefect keeps its state below HOME, output goes below /data.
RUN useradd --uid 1000 --create-home --home-dir "$HOME" --shell /usr/sbin/nologin stylepress \
    && install --directory --owner stylepress --group stylepress /data \
    && chmod 1777 "$HOME" /data

COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /package/opt/venv /opt/venv

# A number, because Kubernetes' runAsNonRoot cannot tell who a name is.
USER 1000:1000
WORKDIR /data

# What Ctrl-C sends. Python as PID 1 ignores SIGTERM wherever a program has no handler of its own for it.
STOPSIGNAL SIGINT

# The package imports and its weights are whole; reads 26 MB, loads no torch.
HEALTHCHECK --interval=5m --timeout=30s --start-period=30s \
    CMD ["python", "-c", "import stylecore.weights; stylecore.weights.resolve('vgg19')"]

CMD ["stylepress", "--help"]

ARG SOURCE_URL=
LABEL org.opencontainers.image.title="stylepress" \
      org.opencontainers.image.description="Batch renderer for neural style transfer, and its Prefect worker" \
      org.opencontainers.image.licenses="MIT AND CC-BY-4.0 AND CC0-1.0 AND Bitstream-Vera" \
      org.opencontainers.image.source="${SOURCE_URL}"
