"""Manifests: what is read, and the one line that tells what is not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from knative_local.manifests.base import duration_ms
from knative_local.manifests.loader import ManifestError, Manifests, load_manifests

Document = dict[str, Any]


def make_service(service: str = "orders", **container: Any) -> Document:
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": service, "namespace": "shop"},
        "spec": {
            "template": {"spec": {"containers": [{"image": "dev.local/orders", **container}]}}
        },
    }


def make_source(name: str = "placed", **spec: Any) -> Document:
    return {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "KafkaSource",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "bootstrapServers": ["kafka:9092"],
            "topics": ["orders"],
            "sink": {"uri": "http://sink.example"},
            **spec,
        },
    }


def make_ping(**spec: Any) -> Document:
    return {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "PingSource",
        "metadata": {"name": "tick", "namespace": "shop"},
        "spec": {"sink": {"uri": "http://sink.example"}, **spec},
    }


def make_route(**rule: Any) -> Document:
    backend = {"name": "orders", "port": 80}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [backend], **rule}]},
    }


def service_ref(name: str = "orders") -> Document:
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": name}


def load(folder: Path, *documents: Document) -> Manifests:
    file = folder / "app.yaml"
    file.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return load_manifests([file])


def refusal(folder: Path, *documents: Document) -> str:
    with pytest.raises(ManifestError) as caught:
        load(folder, *documents)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_source_without_delivery_is_tried_eleven_times(tmp_path: Path) -> None:
    delivery = load(tmp_path, make_source()).kafka_sources[0].spec.delivery

    assert (delivery.retry, delivery.backoff_delay_ms, delivery.timeout_ms) == (10, 300, 600_000)


def test_delivery_without_retry_means_no_retry(tmp_path: Path) -> None:
    sink = {"uri": "http://dead.example"}

    delivery = (
        load(tmp_path, make_source(delivery={"deadLetterSink": sink}))
        .kafka_sources[0]
        .spec.delivery
    )

    assert (delivery.retry, delivery.backoff_delay_ms) == (0, 200)


def test_defaults_are_those_of_knative(tmp_path: Path) -> None:
    source = load(tmp_path, make_source()).kafka_sources[0]

    assert (source.spec.initial_offset, source.spec.ordering, source.key_type) == (
        "latest",
        "ordered",
        "string",
    )
    assert source.consumer_group.startswith("knative-kafka-source-")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (make_source(delivery={"retires": 1}), "spec.delivery.retires: unknown field"),
        (make_source(topics=[]), "spec.topics: "),
        (make_source(topics=["^a"]), "spec.topics[0]: "),
        (make_source(ordering="sorted"), "spec.ordering: "),
        (make_source(initialOffset="first"), "spec.initialOffset: "),
        (make_source(consumers=-1), "spec.consumers: "),
        (make_source(net={"tls": {"enable": True}}), "spec.net: TLS and SASL"),
        (make_source(delivery={"retryAfterMax": "PT1S"}), "spec.delivery.retryAfterMax: Knative's"),
        (make_source(delivery={"backoffDelay": "PT0.09S"}), "backoffDelay: 0 ms, as Knative reads"),
        (make_source(delivery={"timeout": "10s"}), "spec.delivery.timeout: '10s' is not"),
        (make_source(delivery={"timeout": 10}), "spec.delivery.timeout: 10 is not"),
        (make_source(sink={}), "spec.sink: needs ref or uri"),
        (make_source(sink={"uri": "/path"}), "spec.sink: uri must be absolute"),
        (make_source(sink={"uri": "https://a.example"}), "spec.sink: only http"),
        (make_source(sink={"ref": service_ref("gone")}), "spec.sink.ref: no Service gone"),
        (make_source(ceOverrides={"extensions": {"Env": "x"}}), "spec.ceOverrides.extensions.Env"),
        (
            make_source(ceOverrides={"extensions": {"type": "x"}}),
            "spec.ceOverrides.extensions.type.[key]: type is",
        ),
        (make_ping(schedule="@every 1s"), "spec.schedule: "),
        (make_ping(schedule="* * * *"), "spec.schedule: "),
        (make_ping(timezone="Mars/Base"), "spec.timezone: invalid timezone: Mars"),
        (make_ping(data="x", dataBase64="eA=="), "spec: data and dataBase64"),
        (make_ping(data="[1]", contentType="application/json"), "spec: data of content type"),
        (
            make_service(env=[{"name": "PORT", "value": "1"}]),
            "containers[0].env[0].name: PORT is set by",
        ),
        (make_service(env=[{"name": "A", "value": 1}]), "containers[0].env[0].value: "),
        (make_service(ports=[{"containerPort": 8012}]), "ports[0].containerPort: 8012 is reserved"),
        (make_service(lifecycle={}), "containers[0].lifecycle: unknown field"),
        (make_service(image_pull_policy="Always"), ".image_pull_policy: unknown field"),
        (make_route(), "spec.rules[0].backendRefs[0]: no Service orders"),
        (make_route(filters=[]), "spec.rules[0].filters: unknown field"),
        ({"apiVersion": "v1", "kind": "Pod"}, "kind: v1 Pod is not served"),
        (
            {**make_source(), "apiVersion": "sources.knative.dev/v1beta1"},
            "apiVersion: write sources.knative.dev/v1 instead of sources.knative.dev/v1beta1",
        ),
    ],
)
def test_what_is_not_honoured_is_refused(tmp_path: Path, document: Document, problem: str) -> None:
    message = refusal(tmp_path, document)

    assert message.startswith(f"{tmp_path / 'app.yaml'}: document 1 ({document['kind']}/")
    assert problem in message


def test_same_object_twice_is_refused(tmp_path: Path) -> None:
    assert "document 2 (Service/orders): is also in" in refusal(
        tmp_path, make_service(), make_service()
    )


def test_key_type_label_is_checked(tmp_path: Path) -> None:
    document = make_source()
    document["metadata"]["labels"] = {"kafkasources.sources.knative.dev/key-type": "long"}

    assert "key-type is not string" in refusal(tmp_path, document)


def test_folder_is_read_in_order_and_kustomizations_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    files = {
        "b/two.yml": make_service("two"),
        "a.yaml": make_service("one"),
        "kustomization.yaml": {"kind": "Kustomization", "resources": []},
    }
    for name, document in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(document), encoding="utf-8")

    assert [service.name for service in load_manifests([tmp_path]).services] == ["one", "two"]


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    version = tmp_path / "..2026_01_01_00_00_00.1"
    version.mkdir()
    (version / "app.yaml").write_text(yaml.safe_dump(make_service()), encoding="utf-8")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "app.yaml").symlink_to("..data/app.yaml")

    assert [service.name for service in load_manifests([tmp_path]).services] == ["orders"]


def make_mounted(mount: Document, volume: Document) -> Document:
    service = make_service(volumeMounts=[{"name": "room", **mount}])
    service["spec"]["template"]["spec"]["volumes"] = [{"name": "room", **volume}]
    return service


def test_an_empty_folder_for_what_is_passing_is_accepted(tmp_path: Path) -> None:
    document = make_mounted({"mountPath": "/tmp"}, {"emptyDir": {"sizeLimit": "16Mi"}})

    (service,) = load(tmp_path, document).services

    assert service.container.volume_mounts[0].mount_path == "/tmp"


@pytest.mark.parametrize(
    ("mount", "volume"),
    [
        ({"mountPath": "/data"}, {"emptyDir": {}}),
        ({"mountPath": "/tmp"}, {"secret": {"secretName": "certificates"}}),
        ({"mountPath": "/tmp", "subPath": "a"}, {"emptyDir": {}}),
    ],
)
def test_other_volumes_are_refused(tmp_path: Path, mount: Document, volume: Document) -> None:
    assert "olume" in refusal(tmp_path, make_mounted(mount, volume))


def test_key_twice_and_broken_yaml_are_refused(tmp_path: Path) -> None:
    for text in ("a: 1\na: 2\n", "a: [1"):
        (tmp_path / "app.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ManifestError, match=r"app\.yaml: "):
            load_manifests([tmp_path / "app.yaml"])


def test_sink_of_a_service_has_its_cluster_name_unless_served_elsewhere(tmp_path: Path) -> None:
    sink = {"ref": service_ref(), "uri": "/in"}

    read = load(tmp_path, make_service(), make_source(sink=sink)).kafka_sources[0].spec.sink

    assert read.url(namespace="shop") == "http://orders.shop.svc.cluster.local/in"
    assert read.url("http://127.0.0.1:81", namespace="shop") == "http://127.0.0.1:81/in"


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("PT0.25S", 200),
        ("PT0.05S", 0),
        ("-PT1S", 1000),
        ("P1DT1H", 90_000_000),
        ("PT1,5M", 90_000),
        ("P1W", 604_800_000),
    ],
)
def test_duration_keeps_one_decimal_digit(text: str, millis: int) -> None:
    assert duration_ms(text) == millis


@pytest.mark.parametrize("text", ["", "P", "PT", "1S", "PT1", "PTS", "P1S"])
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="ISO-8601"):
        duration_ms(text)


# What `kubectl get -o yaml` prints beyond what was applied.
SERVER_SET = {
    "creationTimestamp": "2026-11-01T10:00:00Z",
    "finalizers": ["kafkasources.kafka.eventing.knative.dev"],
    "generation": 1,
    "managedFields": [{"manager": "kubectl"}],
    "resourceVersion": "1234",
    "uid": "0f3c",
}
NO_NET: Document = {
    "sasl": {"password": {}, "type": {}, "user": {}},
    "tls": {"caCert": {}, "cert": {}, "key": {}},
}


def as_printed(document: Document, **spec: Any) -> Document:
    metadata = {**document["metadata"], **SERVER_SET}
    printed = {**document, "metadata": metadata, "status": {"conditions": [], "url": "http://a"}}
    return {**printed, "spec": {**document["spec"], **spec}}


def test_list_of_what_a_cluster_prints_is_read(tmp_path: Path) -> None:
    service = make_service(name="user-container", resources={}, readinessProbe={"tcpSocket": {}})
    service["spec"]["template"]["metadata"] = {"creationTimestamp": None}
    backend = {"group": "", "kind": "Service", "name": "orders", "port": 80, "weight": 1}
    items = [
        as_printed(service, traffic=[{"latestRevision": True, "percent": 100}]),
        as_printed(make_source(), net=NO_NET),
        as_printed(make_route(backendRefs=[backend])),
    ]

    read = load(tmp_path, {"apiVersion": "v1", "kind": "List", "items": items})

    assert (len(read.services), len(read.kafka_sources), len(read.routes)) == (1, 1, 1)


def test_traffic_to_a_named_revision_is_refused_with_the_reason(tmp_path: Path) -> None:
    document = make_service()
    document["spec"]["traffic"] = [{"revisionName": "orders-00001", "percent": 100}]

    assert "traffic[0].revisionName: the local runtime runs one" in refusal(tmp_path, document)


def test_secret_is_read_from_base64_and_from_text(tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "shop"},
        "data": {"key": "c2VjcmV0"},
        "stringData": {"other": "plain"},
    }

    settings = load(tmp_path, secret).settings

    assert settings["Secret", "shop", "s"] == {"key": "secret", "other": "plain"}


def test_folder_without_a_manifest_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none", encoding="utf-8")

    with pytest.raises(ManifestError, match="no manifest in"):
        load_manifests([tmp_path])
