"""DICOM files and NIfTI volumes of known content."""

import numpy as np

DISC = np.hypot(*(np.mgrid[:32, :32] - 15.5)) < 11


def save_dicom(path, stored, window=None, photometric="MONOCHROME2", bits=12, **tags):
    """Write stored values (H, W), or (N, H, W) for frames, as a DICOM file of `bits`. window: (centre, width).

    tags: further ones by keyword. Returns the path as a text.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    file.Rows, file.Columns = stored.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, photometric
    file.BitsAllocated = 8 if bits <= 8 else 16
    file.BitsStored, file.HighBit, file.PixelRepresentation = bits, bits - 1, int(stored.min() < 0)
    if stored.ndim == 3:
        file.NumberOfFrames = len(stored)
    if window:
        file.WindowCenter, file.WindowWidth = window
    for name, value in tags.items():
        setattr(file, name, value)
    kind = np.uint8 if bits <= 8 else np.int16 if stored.min() < 0 else np.uint16
    file.PixelData = stored.astype(kind).tobytes()
    file.save_as(path, enforce_file_format=True)
    return str(path)


def twins(seed, bright=600):
    """(values (32, 32) of 12 bits with a disc that is brighter by `bright`, the same inverted)."""
    rng = np.random.default_rng(seed)
    values = (1000 + bright * DISC + rng.normal(0, 60, DISC.shape)).round().astype(np.int32)
    return values, 4095 - values


def save_volume(path, values, affine=None):
    """Write values (X, Y, Z) as a NIfTI file. affine (4, 4): from places to mm; by default right, front, head."""
    import nibabel

    nibabel.save(nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return str(path)
