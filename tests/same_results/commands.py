"""The commands: one in each line, with what is done to the inputs between them."""

import os
import shlex
import subprocess
import sys
import tomllib
import warnings
from importlib import import_module
from pathlib import Path

from click.testing import CliRunner
from digests import Record
from inputs import damage, make_image, save

RANDOM = "--weights random -l 4 -s 0"
SMALL = f"{RANDOM} --image-size 16"
SHIPPED = "--weights procedural -l 82 -s 0"
PARTS = f"{SMALL} --no-cache --part-size 4"


def _add_photos():
    for i in (3, 20, 21):
        save(make_image(50 + i), f"growing/a/{i}.png")


def _repair():
    for i in (3, 9):
        save(make_image(i, kind=i), f"damaged/b/{i}.png")


def _damage_again():
    damage(Path("damaged/b/9.png"))


def _lose_a_photo():
    Path("flat/3.png").rename("flat_3.png")


def _find_photo():
    Path("flat_3.png").rename("flat/3.png")


def _put_tar_in_memory():
    import fsspec

    fsspec.filesystem("memory").pipe("/in/photos.tar", Path("photos.tar").read_bytes())


def _start_cluster():
    from distributed import LocalCluster

    cluster = LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        scheduler_port=0,
        dashboard_address=None,
    )
    _clusters.append(cluster)


def _end_cluster():
    _clusters.pop().close()


_clusters = []

# The name of a command and what it is given, or a function that changes the inputs. OUT is a folder for
# its outputs: its own, or that of the command named at the end, after " in ".
COMMANDS = {
    # each kind of INPUT
    "digits": "digits OUT/a.npy -m pca -d 2 -p -s 0",
    "npy": f"color.npy OUT/a.npy {RANDOM}",
    "npy of 16 bits": f"grey16.npy OUT/a.npz {RANDOM}",
    "npy of floats": f"floats.npy OUT/a.csv {RANDOM} --pooling avg,max",
    "npz with labels": f"digits.npz OUT/a.npz {SHIPPED} --image-size 28 -p",
    "npz of Keras": f"keras.npz OUT/a.csv {RANDOM} -q",
    "class folders": f"photos OUT/a.npz {SMALL} -p -t",
    "class folders as csv": f"photos OUT/a.csv {SMALL} --pooling max",
    "folder": f"flat OUT/a.csv {RANDOM}",
    "folder and images beside it": f"mixed OUT/a.csv {RANDOM}",
    "tar": f"photos.tar OUT/a.csv {SMALL}",
    "tar in parts": f"photos.tar OUT/a.parquet {PARTS}",
    "folder of tars": f"shards OUT/a.npz {SMALL}",
    "zip": f"zip://::photos.zip OUT/a.csv {SMALL}",
    "zip in parts": f"zip://::photos.zip OUT/a.npy {PARTS}",
    "after a tar lies behind a URL": _put_tar_in_memory,
    "tar behind a URL": f"memory://in/photos.tar OUT/a.csv {SMALL}",
    "output in memory": f"flat memory://out/a.parquet {PARTS}",
    "image": f"photos/cat/2.png OUT/a.csv {RANDOM}",
    "patches": f"photo.png OUT/a.npy {SHIPPED} --patches 24 --patch-size 32 -p",
    "patches of random weights": "photo.png OUT/a.csv --weights random -l 4 -s 3 --patches 5 "
    "--patch-size 24 --image-size 16",
    "formats": f"formats OUT/a.csv {RANDOM}",
    "formulas": f"formulas OUT/a.csv {RANDOM}",
    # how features are made
    "pca of photos": "photos OUT/a.csv -m pca -d 3 --image-size 8 -s 0",
    "several layers": "digits.npz OUT/a.csv --weights random -s 1 -l 4,conv2_block1_out -b 7",
    "stage": "digits.npz OUT/a.npy --weights procedural -l conv2 --pooling avg,max",
    "default layer": "few OUT/a.npy --weights procedural --image-size 32",
    "other architecture": "few OUT/a.csv --architecture resnet101 --weights random -s 2 -l 4",
    "keras' engine": f"color.npy OUT/a.csv {RANDOM} --engine keras",
    "bfloat16": f"color.npy OUT/a.npy {RANDOM} --precision bfloat16",
    "int8": f"digits.npz OUT/a.npy {RANDOM} --precision int8",
    "cache": f"digits.npz OUT/a.npy {RANDOM} --cache CACHE",
    "cache again": f"digits.npz OUT/b.npy {RANDOM} --cache CACHE in cache",
    # labels
    "labels by path": f"flat OUT/a.csv {RANDOM} --labels labels.csv -p",
    "labels alone": f"flat OUT/a.csv {RANDOM} --labels labels_alone.csv",
    "labels of npy": f"color.npy OUT/a.csv {RANDOM} --labels labels.npy",
    "labels of text": f"color.npy OUT/a.npz {RANDOM} --labels labels.txt -c",
    "numbers on a scale": f"color.npy OUT/a.npz {RANDOM} --labels scale.npy -p --html",
    # pictures and pages
    "svg": "digits.npz OUT/a.npy -m pca -d 2 -p --picture svg -s 0",
    "pdf": "color.npy OUT/a.npy -m pca -d 2 -t --picture pdf -s 0",
    "page": f"photos OUT/a.npz {SMALL} --html",
    "page of digits": f"digits.npz OUT/a.csv {SHIPPED} --html -p --picture svg",
    "page of parts": f"photos OUT/a.parquet {SMALL} --html -p --part-size 5",
    "compare": "digits.npz OUT/a.npz --compare pca,resnet,resnet:16 --weights procedural -s 0",
    "compare by pdf": "photos OUT/a.csv --compare pca,resnet:4 --weights random -s 0 "
    "--image-size 16 --picture pdf --pooling avg,max",
    "compare on a scale": "color.npy OUT/a.npz --compare pca --labels scale.npy -s 0",
    # tables in parts
    "parquet": f"growing OUT/a.parquet {PARTS}",
    "parquet, nothing new": f"growing OUT/a.parquet {PARTS} in parquet",
    "rows as npy": f"growing OUT/a.npy {PARTS}",
    "parquet by workers": f"growing OUT/a.parquet {PARTS} --workers 2",
    "after more photos": _add_photos,
    "parquet, more photos": f"growing OUT/a.parquet {PARTS} in parquet",
    "npy, more photos": f"growing OUT/a.npy {PARTS} in rows as npy",
    "parquet, restarted": f"growing OUT/a.parquet {PARTS} --restart in parquet",
    "npy, nothing new": f"growing OUT/a.npy {PARTS} -q in rows as npy",
    "parquet, parts of another size": f"growing OUT/a.parquet {SMALL} --part-size 6 in parquet",
    # files that cannot be read
    "damaged, raise": f"damaged OUT/a.npz {SMALL}",
    "damaged, nan": f"damaged OUT/a.csv {SMALL} --on-error nan -p",
    "damaged, skip": f"damaged OUT/a.npz {SMALL} --on-error skip",
    "damaged parts, raise": f"damaged OUT/a.parquet {PARTS}",
    "damaged parts, nan": f"damaged OUT/b.parquet {PARTS} --on-error nan in damaged parts, raise",
    "damaged parts, skip": f"damaged OUT/a.npy {PARTS} --on-error skip",
    "damaged parts, skip by workers": f"damaged OUT/a.parquet {PARTS} --on-error skip --workers 2",
    "damaged, all": f"all_damaged OUT/a.npy {SMALL} --on-error nan",
    "damaged, no size": f"damaged OUT/a.npy {RANDOM} --on-error skip -p --html",
    "after the repair": _repair,
    "repaired, raise": f"damaged OUT/a.parquet {PARTS} in damaged parts, raise",
    "repaired, nan": f"damaged OUT/b.parquet {PARTS} --on-error nan in damaged parts, raise",
    "repaired, skip": f"damaged OUT/a.npy {PARTS} --on-error skip in damaged parts, skip",
    "after more damage": _damage_again,
    "damaged again, skip": f"damaged OUT/a.npy {PARTS} --on-error skip in damaged parts, skip",
    # similar
    "table": f"photos OUT/a.npz {SMALL}",
    "similar": "similar photos/cat/2.png OUT/a.npz -k 5 in table",
    "similar to several": "similar photos/cat/2.png photos/fox/6.jpg OUT/a.npz -k 3 "
    "--metric euclidean -o OUT/found.jpg in table",
    "similar, pdf": "similar photos/dog/2.png OUT/a.npz -k 4 -o OUT/found.pdf in table",
    "similar in csv": "similar photos/cat/2.png out/class_folders_as_csv/a.csv -o OUT/a.png",
    "similar in parts": "similar flat/1.png out/parquet/a.parquet -o OUT/a.png -k 2",
    "similar in npy of parts": "similar flat/1.png out/rows_as_npy/a.npy -o OUT/a.png -k 2",
    "similar, digits": "similar flat/1.png out/npz_with_labels/a.npz -o OUT/a.svg -k 3",
    "similar, patches": "similar photo.png out/patches/a.npy -o OUT/a.png -k 3",
    "similar in memory": "similar flat/1.png memory://out/a.parquet -o OUT/a.png -k 2",
    "similar, damaged": "similar flat/1.png out/damaged__nan/a.csv -o OUT/a.png -k 20",
    "after a photo is lost": _lose_a_photo,
    "similar, a photo is lost": "similar photos/cat/2.png out/folder/a.csv -o OUT/a.png -k 14",
    "after it is found": _find_photo,
    # listings
    "layers": "layers",
    "layers of another": "layers resnet152v2",
    "help": "--help",
    "help of similar": "similar -h",
    "help of layers": "layers -h",
    "version": "--version",
    # errors in what was typed
    "nothing": "",
    "one argument": "digits",
    "unknown option": "digits OUT/a.npy --frobnicate",
    "wrong choice": "digits OUT/a.npy --model pcs",
    "wrong number": "digits OUT/a.npy --part-size 0",
    "unknown command": "similr a.png OUT/a.npz",
    "compare and plot": "digits OUT/a.npy --compare pca -p",
    "compare of nonsense": "digits OUT/a.npy --compare pca,resnat:4",
    "compare twice": "digits OUT/a.npy --compare pca,pca",
    "layers for pca": "digits OUT/a.npy -m pca -l 82",
    "dimensions for resnet": "digits OUT/a.npy -d 2 --weights random",
    "on-error for pca": "flat OUT/a.npy -m pca --on-error skip",
    "patch size alone": "digits OUT/a.npy --patch-size 3",
    "cache and no cache": "digits OUT/a.npy --cache CACHE --no-cache",
    "compressed csv": "digits OUT/a.csv -c",
    "unknown architecture": "layers ResNet51",
    "similar without table": "similar a.png",
    # errors that are found later
    "no such input": f"nowhere OUT/a.npy {RANDOM}",
    "misspelt input": f"digit OUT/a.npy {RANDOM}",
    "no such ending": f"digits OUT/a.txt {RANDOM}",
    "empty folder": f"empty OUT/a.npy {RANDOM}",
    "pickled": f"pickled.npy OUT/a.npy {RANDOM}",
    "npz of other names": f"other_names.npz OUT/a.npy {RANDOM}",
    "no image": f"photos/notes.txt OUT/a.npy {RANDOM}",
    "images of many sizes": f"photos OUT/a.npz {RANDOM}",
    "images of many sizes in parts": f"photos OUT/a.npy {RANDOM} --no-cache",
    "wrong layer": "digits OUT/a.npy --weights random -l 999",
    "misspelt layer": "digits OUT/a.npy --weights random -l conv3_blok4_out",
    "layer beyond weights": "digits OUT/a.npy --weights procedural -l 160",
    "weights of another": "digits OUT/a.npy --weights procedural --architecture ResNet101",
    "no such weights": "digits OUT/a.npy --weights nowhere.h5",
    "no such architecture": "digits OUT/a.npy --architecture ResNet51",
    "wrong pooling": f"digits OUT/a.npy {RANDOM} --pooling avg,mean",
    "precision of another engine": f"digits OUT/a.npy {RANDOM} --engine openvino "
    "--precision float16",
    "workers for arrays": f"digits OUT/a.npy {RANDOM} --workers 2",
    "restart for arrays": f"digits OUT/a.npy {RANDOM} --restart",
    "too many dimensions": "color.npy OUT/a.npy -m pca -d 99",
    "too few for a map": f"few OUT/a.npz {RANDOM} -p",
    "too few to compare": f"photos/cat/2.png OUT/a.npz {RANDOM} --labels too_few.txt",
    "compare without labels": "color.npy OUT/a.npz --compare pca",
    "too few labels": f"color.npy OUT/a.npz {RANDOM} --labels too_few.txt",
    "no such labels": f"color.npy OUT/a.npz {RANDOM} --labels nowhere.txt",
    "labels of other paths": f"photos OUT/a.npz {SMALL} --labels labels.csv",
    "patches of a folder": f"photos OUT/a.npy {RANDOM} --patches 3",
    "patches too large": f"photo.png OUT/a.npy {RANDOM} --patches 3 --patch-size 500",
    "output is input": f"color.npy color.npy {RANDOM}",
    "output in input": f"photos photos/a.npy {RANDOM}",
    "output folder of others": f"growing theirs.parquet {PARTS}",
    "no network": "mnist OUT/a.npy -m pca",
    "no weights": "digits OUT/a.npy",
    "similar, no table": "similar flat/1.png OUT/nowhere.npz",
    "similar, no record": "similar flat/1.png digits.npz",
    "similar, pca": "similar flat/1.png out/pca_of_photos/a.csv",
    "similar, no query": "similar nowhere.png OUT/a.npz in table",
    "similar, wrong ending": "similar flat/1.png OUT/a.npz -o OUT/a.txt in table",
    "similar, other weights": "similar flat/1.png OUT/a.npz --weights procedural in table",
    "similar, all damaged": "similar flat/1.png out/damaged__all/a.npy",
    "similar among maps": "similar flat/1.png out/compare/a.npz",
    # a cluster, last: its workers share threads with this process
    "no such cluster": f"growing OUT/a.parquet {PARTS} --dask tcp://127.0.0.1:9",
    "after a cluster starts": _start_cluster,
    "parquet by a cluster": f"growing OUT/a.parquet {PARTS} --dask CLUSTER",
    "npy by a cluster": f"damaged OUT/a.npy {PARTS} --dask CLUSTER --on-error nan",
    "after a cluster ends": _end_cluster,
}  # fmt: skip

# In processes of their own, as a shell starts them.
PROCESSES = {
    "photos": f"photos OUT/a.npz {SMALL}",
    "parts": f"growing OUT/a.parquet {PARTS}",
    "parts by workers": f"growing OUT/a.npy {PARTS} --workers 2",
    "damaged": f"damaged OUT/a.parquet {PARTS}",
    "damaged, nan": f"damaged OUT/a.npy {PARTS} --on-error nan",
    "similar": "similar photos/cat/2.png OUT/a.npz -k 5 in photos",
    "layers": "layers ResNet50",
    "no such input": f"nowhere OUT/a.npy {RANDOM}",
    "unknown option": "digits OUT/a.npy --frobnicate",
    "help": "-h",
}


def record_commands():
    """Run the commands in this process."""
    records = {}
    main, runner = load_command(), CliRunner()
    for name, arguments in COMMANDS.items():
        if callable(arguments):
            arguments()
            continue
        args, folder = _parse(arguments, name)
        record = records[name] = Record()
        argv, sys.argv = sys.argv, ["embedding", *args]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            done = runner.invoke(main, args, prog_name="embedding")
        sys.argv = argv
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            record.add_error(done.exception)
        _note(record, done.exit_code, done.stdout, done.stderr, folder)
        record.add_warnings(caught)
    return records


def record_processes():
    """Run commands in other processes."""
    records = {}
    start = (
        "import sys; from importlib import import_module; module, name = sys.argv[1].split(':'); "
        "sys.argv[:2] = ['embedding']; sys.exit(getattr(import_module(module), name)())"
    )
    for name, arguments in PROCESSES.items():
        args, folder = _parse(arguments, f"process_{name}", "process_")
        done = subprocess.run(
            [sys.executable, "-c", start, find_entry_point(), *args],
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        record = records[name] = Record()
        _note(record, done.returncode, done.stdout, done.stderr, folder)
    return records


def find_entry_point():
    """The module and function of the command `embedding`, of the tree that is tested."""
    import sklearn_resnet

    path = Path(sklearn_resnet.__file__).parent.parent / "pyproject.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]["scripts"]["embedding"]


def load_command():
    """The command `embedding`."""
    module, name = find_entry_point().split(":")
    return getattr(import_module(module), name)


def _parse(arguments, name, prefix=""):
    arguments, _, shared = arguments.partition(" in ")
    folder = Path("out", _slug(prefix + shared if shared else name))
    arguments = arguments.replace("OUT/", f"{folder.as_posix()}/").replace("CACHE", "the_cache")
    if _clusters:
        arguments = arguments.replace("CLUSTER", _clusters[0].scheduler_address)
    return shlex.split(arguments), folder


def _slug(name):
    return "".join(c if c.isalnum() else "_" for c in name)


def _note(record, exit_code, stdout, stderr, folder):
    record.add("exit code", exit_code)
    lines = stdout.splitlines()
    rows = [line for line in lines if line.lstrip()[:1].isdigit()]
    if rows:
        record.add("rows", rows)
    if stdout:
        record.add("last line ends", stdout[-1:] == "\n")
    record.say("stdout", stdout)
    record.say("stderr", stderr)
    if os.path.isdir(folder):
        record.add_files(folder)
