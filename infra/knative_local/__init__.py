"""Runs Knative manifests on one machine: Services, KafkaSources, PingSources and HTTPRoutes."""
