"""The images: each function has one of its own, and nothing in it that it does not use."""

from pathlib import Path

from knative_local.manifests.loader import load_manifests

ROOT = Path(__file__).parents[2]
SERVICES = load_manifests([ROOT / "infra" / "knative" / "base"]).services


def test_each_service_names_an_image_of_its_own() -> None:
    images = {service.name: service.container.image for service in SERVICES}

    assert images == {name: f"orderflow/{name}" for name in images}
