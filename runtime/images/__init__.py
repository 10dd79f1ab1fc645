"""From the bytes of a PNG, JPEG or DICOM to 8-bit grey; a file's structure is walked before it is decoded."""
