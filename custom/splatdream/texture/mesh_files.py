"""Textured meshes as GLB and as OBJ + MTL + PNG, and meshes from files. The only file that imports trimesh.

Files have y up and the front toward +z, as glTF 2.0 asks for and as importers of OBJ expect; meters are world units.
World (x, y, z) is file (y, z, x), a rotation. V vertices, F faces, W vertices that are split where charts end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from ..gaussians.ply_format import read_ply_header
from ..meshing.mesh import Mesh, check_mesh, is_degenerate, without_faces
from ..storage.atomic_file import atomic_paths, write_bytes
from ..storage.free_memory import require_free_memory
from ..storage.images import to_uint8
from .mesh_claims import check_claims, gltf_tree
from .textured_mesh import Material, TexturedMesh, UvLayout, joint_corners

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")
"""What `read_mesh` opens."""
MAX_FACES = 5_000_000
# Peak memory by file size, measured with 500,000 faces: 8 (OBJ) to 26 (binary STL).
_MEMORY_GROWTH = 26
# OpenGL's ARRAY_BUFFER and ELEMENT_ARRAY_BUFFER, which glTF names for what a buffer holds.
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963
_UNLIT = "KHR_materials_unlit"
_WORLD_TO_FILE = [1, 2, 0]
_FILE_TO_WORLD = [2, 0, 1]


def write_glb(path: str | Path, textured: TexturedMesh) -> Path:
    """`glb_bytes` in a file. Whole or not at all.

    Raises:
        ImportError, ValueError: as `glb_bytes`.
        OSError: the file cannot be written.
    """
    return write_bytes(_with_suffix(path, ".glb"), glb_bytes(textured))


def glb_bytes(textured: TexturedMesh) -> bytes:
    """One binary glTF 2.0 file: positions, smooth normals, UVs, and the texture as a PNG inside.

    Raises:
        ImportError: trimesh is missing.
        ValueError: the mesh is empty or broken, or the texture is not finite.
    """
    trimesh = _trimesh()
    check_mesh(textured.mesh)
    vertices, normals, uvs, faces = _split(textured)
    material = trimesh.visual.material.PBRMaterial(
        name="splatdream",
        baseColorTexture=Image.fromarray(to_uint8(textured.texture)),
        roughnessFactor=textured.material.roughness,
        metallicFactor=textured.material.metallic,
    )
    mesh = trimesh.Trimesh(
        vertices=vertices,
        faces=faces,
        vertex_normals=normals,
        visual=trimesh.visual.TextureVisuals(uv=uvs, material=material),
        process=False,
    )
    scene = trimesh.Scene()
    scene.add_geometry(mesh, node_name="object", geom_name="object")
    return trimesh.exchange.gltf.export_glb(scene, include_normals=True, tree_postprocessor=_finish(textured.material))


def write_obj(path: str | Path, textured: TexturedMesh) -> tuple[Path, Path, Path]:
    """PATH.obj, PATH.mtl and PATH.png: vertices are shared across charts, so that editors see a closed surface.

    Raises:
        ValueError: the mesh is empty or broken, or the texture is not finite.
        OSError: a file cannot be written; then none of the three is.
    """
    obj = _with_suffix(path, ".obj")
    mtl, png = obj.with_suffix(".mtl"), obj.with_suffix(".png")
    check_mesh(textured.mesh)
    pixels = to_uint8(textured.texture)
    with atomic_paths([obj, mtl, png]) as (obj_part, mtl_part, png_part):
        Image.fromarray(pixels).save(png_part, format="PNG")
        mtl_part.write_text(_mtl_text(textured.material, png.name), encoding="utf-8")
        obj_part.write_text(_obj_text(textured, mtl.name), encoding="utf-8")
    return obj, mtl, png


@dataclass(frozen=True)
class PaintedMesh:
    """The triangles of a file with whatever paint it has."""

    mesh: Mesh
    textured: TexturedMesh | None = None
    """The same mesh with its texture; None where the file has none."""
    corner_colors: Float[Tensor, "F 3 3"] | None = None
    """RGB in [0, 1] of the three corners of each face; None where the file has a texture, or no color."""


def read_mesh(path: str | Path) -> tuple[Mesh, TexturedMesh | None]:
    """`read_painted_mesh` without colors of vertices.

    Raises:
        ImportError, FileNotFoundError, ValueError: as `read_painted_mesh`.
    """
    painted = read_painted_mesh(path)
    return painted.mesh, painted.textured


def read_painted_mesh(path: str | Path) -> PaintedMesh:
    """The triangles of a file, y up, welded where vertices coincide; with its texture, or the colors of its vertices.

    Faces without area are left out.

    Raises:
        ImportError: trimesh is missing.
        FileNotFoundError: there is no such file.
        ValueError: a format that is not known, a damaged file, no faces, too many of them for the program or for the
            memory, a texture that is too large, or numbers that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no mesh file {path}")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"cannot read {path}: meshes come as {', '.join(SUFFIXES)}")
    trimesh = _trimesh()
    _check_size(path)
    try:
        loaded = trimesh.load(path, process=False, force="mesh")
        vertices, faces = np.asarray(loaded.vertices, np.float32), np.asarray(loaded.faces, np.int64)
        uvs, image = _uvs_and_image(loaded)
        corners, indices = torch.from_numpy(vertices[:, _FILE_TO_WORLD].copy()), torch.from_numpy(faces)
        texture = None if image is None else torch.from_numpy(np.array(image.convert("RGB"))).float() / 255
    except Exception as error:  # trimesh raises whatever its parsers meet in a damaged file
        raise ValueError(f"cannot read {path}: it is damaged or not a mesh ({type(error).__name__})") from error
    _check_count(path, len(faces))
    split = Mesh(corners.reshape(-1, 3), indices.reshape(-1, 3))
    check_mesh(split, str(path))
    mesh = _welded(split)
    is_removed = is_degenerate(mesh)
    if is_removed.all():
        raise ValueError(f"{path} has {len(mesh)} faces, and none of them has an area; export it again")
    welded = without_faces(mesh, is_removed)
    check_mesh(welded, str(path))
    if uvs is None or texture is None:
        colors = _vertex_colors(loaded)
        return PaintedMesh(welded, None, None if colors is None else colors[split.faces[~is_removed]])
    layout = UvLayout(torch.from_numpy(uvs).float(), split.faces[~is_removed])
    return PaintedMesh(welded, TexturedMesh(welded, layout, texture, _material(path, loaded.visual.material)))


def _check_size(path: Path) -> None:
    """What can be refused before it is read."""
    size = path.stat().st_size
    if path.suffix.lower() == ".ply":
        header = read_ply_header(path)
        _check_count(path, header["face"].count if "face" in header else 0)
    require_free_memory(_MEMORY_GROWTH * size, f"{path} of {size / 2**20:.0f} MiB", "decimate it in an editor first")
    check_claims(path, MAX_FACES)


def _check_count(path: Path, num_faces: int) -> None:
    if num_faces > MAX_FACES:
        raise ValueError(f"{path} has {num_faces} faces, more than {MAX_FACES}; decimate it in an editor first")


def _trimesh() -> Any:
    try:
        import trimesh
    except ImportError as error:
        raise ImportError(f"mesh files need trimesh: pip install trimesh ({error})") from error
    return trimesh


def _with_suffix(path: str | Path, suffix: str) -> Path:
    path = Path(path)
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)


def _split(
    textured: TexturedMesh,
) -> tuple[Float[np.ndarray, "W 3"], Float[np.ndarray, "W 3"], Float[np.ndarray, "W 2"], Int[np.ndarray, "F 3"]]:
    """Positions, normals, UVs and faces with one index for all three, in the file's axes."""
    mesh, layout = textured.mesh, textured.layout
    pairs, faces = joint_corners(textured)
    normals = mesh.vertex_normals
    # glTF wants unit length, also where all faces round a vertex cancel out.
    normals = torch.where(normals.norm(dim=1, keepdim=True) > 0.5, normals, normals.new_tensor([0.0, 0.0, 1.0]))
    return (
        _array(mesh.vertices[pairs[:, 0]])[:, _WORLD_TO_FILE],
        _array(normals[pairs[:, 0]])[:, _WORLD_TO_FILE],
        _array(layout.uvs[pairs[:, 1]]),
        _array(faces),
    )


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _finish(material: Material) -> Callable[[dict], None]:
    """What trimesh cannot say in a glTF tree."""

    def finish(tree: dict) -> None:
        tree["asset"]["generator"] = "splatdream"
        for primitive in (primitive for mesh in tree["meshes"] for primitive in mesh["primitives"]):
            for accessor in primitive["attributes"].values():
                tree["bufferViews"][tree["accessors"][accessor]["bufferView"]]["target"] = _VERTEX_BUFFER
            tree["bufferViews"][tree["accessors"][primitive["indices"]]["bufferView"]]["target"] = _INDEX_BUFFER
        if material.is_unlit:
            tree["extensionsUsed"] = [*tree.get("extensionsUsed", []), _UNLIT]
            for entry in tree["materials"]:
                entry["extensions"] = {_UNLIT: {}}

    return finish


def _mtl_text(material: Material, image_name: str) -> str:
    # illum 0 shows Kd without light. Pr and Pm are the roughness and metallic of the PBR extension to MTL.
    return (
        "newmtl splatdream\n"
        "Ka 0 0 0\nKd 1 1 1\nKs 0 0 0\n"
        f"Pr {material.roughness:g}\nPm {material.metallic:g}\n"
        f"illum {0 if material.is_unlit else 1}\n"
        f"map_Kd {image_name}\n"
    )


def _obj_text(textured: TexturedMesh, mtl_name: str) -> str:
    vertices = _array(textured.mesh.vertices)[:, _WORLD_TO_FILE].tolist()
    normals = _array(textured.mesh.vertex_normals)[:, _WORLD_TO_FILE].tolist()
    places = (textured.mesh.faces + 1).tolist()
    uv_places = (textured.layout.uv_faces + 1).tolist()
    lines = [f"mtllib {mtl_name}", "o object"]
    lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices]
    lines += [f"vt {u:.9g} {v:.9g}" for u, v in _array(textured.layout.uvs).tolist()]
    lines += [f"vn {x:.6g} {y:.6g} {z:.6g}" for x, y, z in normals]
    lines.append("usemtl splatdream")
    lines += [f"f {a}/{p}/{a} {b}/{q}/{b} {c}/{r}/{c}" for (a, b, c), (p, q, r) in zip(places, uv_places, strict=True)]
    return "\n".join(lines) + "\n"


def _uvs_and_image(loaded: Any) -> tuple[Float[np.ndarray, "W 2"] | None, Image.Image | None]:
    uvs = getattr(loaded.visual, "uv", None)
    material = getattr(loaded.visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if uvs is None or len(uvs) != len(loaded.vertices) or not np.isfinite(uvs).all():
        return None, None
    return np.asarray(uvs, np.float32), image


def _vertex_colors(loaded: Any) -> Float[Tensor, "W 3"] | None:
    """Of the vertices, of their faces, or of a material without a texture; None where nothing is said."""
    material = getattr(loaded.visual, "material", None)
    if material is not None:
        return torch.tensor(material.main_color[:3] / 255).float().expand(len(loaded.vertices), 3)
    if not loaded.visual.defined:
        return None
    return torch.from_numpy(loaded.visual.vertex_colors[:, :3] / 255).float()


def _material(path: Path, material: Any) -> Material:
    """Of a glTF, or of an MTL with what `write_obj` writes; what a file does not say is a rough, lit dielectric."""
    roughness, metallic = getattr(material, "roughnessFactor", None), getattr(material, "metallicFactor", None)
    is_unlit = _is_unlit_gltf(path)
    mtl = getattr(material, "kwargs", {})
    try:
        roughness = float(mtl["pr"][0]) if "pr" in mtl else roughness
        metallic = float(mtl["pm"][0]) if "pm" in mtl else metallic
        is_unlit = is_unlit or mtl.get("illum", [""])[0] == "0"
    except (ValueError, IndexError) as error:
        raise ValueError(f"cannot read {path}: its MTL has a Pr or Pm that is not a number") from error
    return Material(
        1.0 if roughness is None else float(roughness), 0.0 if metallic is None else float(metallic), is_unlit
    )


def _is_unlit_gltf(path: Path) -> bool:
    """Whether every material of a glTF names KHR_materials_unlit, which trimesh does not read."""
    if path.suffix.lower() not in (".glb", ".gltf"):
        return False
    materials = gltf_tree(path).get("materials", [])
    return bool(materials) and all(_UNLIT in material.get("extensions", {}) for material in materials)


def _welded(mesh: Mesh) -> Mesh:
    """One vertex for all that lie at exactly the same place: files split vertices where normals or UVs change."""
    vertices, which = torch.unique(mesh.vertices, dim=0, return_inverse=True)
    return Mesh(vertices, which[mesh.faces])
