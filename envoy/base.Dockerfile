# Stands in for the public Envoy image where no image can be pulled: the same binary, and the
# libraries that it and the testbed are linked with. scripts/compose-base.sh makes the context.
FROM scratch
COPY . /
ENV PATH=/usr/local/bin
