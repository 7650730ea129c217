"""Flow `predict`: the champion on new images. `python -m flows.predict IMAGES_DIR --out DIR`."""

from pathlib import Path

from prefect import flow

from arc_core.training.prediction import Predicted
from tasks.champion import Champion
from tasks.predict import find_champion, predict_images


@flow(name="predict", log_prints=False)
def predict(images: Path, out: Path, study: str | None = None) -> tuple[Champion, Predicted]:
    """Probability, vCDR and areas of every image; masks and overlays where the champion segments."""
    champion = find_champion(study)
    return champion, predict_images(champion, images, out)


if __name__ == "__main__":
    from flows.command_line import predict_command

    predict_command(predict)
