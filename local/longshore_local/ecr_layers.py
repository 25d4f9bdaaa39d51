"""The layer operations of the ECR API."""

from base64 import b64decode

from longshore_local.blobs import is_digest
from longshore_local.ecr_call import Answer, Call, invalid_parameter
from longshore_local.ecr_images import EcrError

PART_BYTES = 10 * 1024 * 1024
_LAYER_MEDIA_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def initiate_layer_upload(call: Call) -> Answer:
    """Starts an upload that the HTTP front could go on with as well."""
    return {"uploadId": call.registry.begin_upload(call.repository).upload_id, "partSize": PART_BYTES}


def upload_layer_part(call: Call) -> Answer:
    """Appends the part that follows the last byte received."""
    upload = call.registry.upload(call.repository, call.request["uploadId"])
    blob = b64decode(call.request["layerPartBlob"])
    first, last = call.request["partFirstByte"], call.request["partLastByte"]
    if first != upload.size or last - first + 1 != len(blob):
        error = EcrError(
            "InvalidLayerPartException",
            f"Layer part of bytes {first} to {last} with {len(blob)} bytes does not follow the {upload.size} received",
        )
        details = {**call.place(), "uploadId": upload.upload_id, "lastValidByteReceived": upload.size - 1}
        for member, value in details.items():
            setattr(error, member, value)
        raise error
    upload.append([blob])
    return {**call.place(), "uploadId": upload.upload_id, "lastByteReceived": upload.size - 1}


def complete_layer_upload(call: Call) -> Answer:
    """Makes the upload a layer, if it has the digest that was promised."""
    digest = call.request["layerDigests"][0]
    upload = call.registry.upload(call.repository, call.request["uploadId"])
    if not call.registry.finish_upload(call.repository, upload, digest):
        text = f"Layer with digest '{digest}' already exists in the repository with name '{call.repository}'"
        raise EcrError("LayerAlreadyExistsException", text)
    return {**call.place(), "uploadId": upload.upload_id, "layerDigest": digest}


def batch_check_layer_availability(call: Call) -> Answer:
    """AVAILABLE or UNAVAILABLE for each digest; what is no digest is a failure."""
    held = call.registry.repository(call.repository).layers
    layers, failures = [], []
    for digest in call.request["layerDigests"]:
        if not is_digest(digest):
            reason = f"Invalid layer digest '{digest}'"
            failures.append({"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": reason})
        elif digest in held:
            known = {"layerAvailability": "AVAILABLE", "layerSize": held[digest], "mediaType": _LAYER_MEDIA_TYPE}
            layers.append({"layerDigest": digest, **known})
        else:
            layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
    return {"layers": layers, "failures": failures}


def get_download_url_for_layer(call: Call) -> Answer:
    """A signed URL of the HTTP front, for layers that an image refers to."""
    digest = call.request["layerDigest"]
    call.registry.repository(call.repository)
    if not call.registry.is_referenced(call.repository, digest):
        text = f"Layer with digest '{digest}' is in no image of the repository with name '{call.repository}'"
        raise EcrError("LayersNotFoundException", text)
    if call.front is None:
        where = f"account {call.registry.account_id} in {call.registry.region}"
        raise invalid_parameter("layerDigest", f"no registry serves {where}: start one with EcrSimulator.serve")
    return {"downloadUrl": call.front.layer_url(call.repository, digest), "layerDigest": digest}
