// The scanner of source folders: walk, ignore rules, stat cache, hashing and packing, on all cores.
//
// It does what snapshot/scan.py and snapshot/plain.py do, under the same tests, and only what is on the straight path.
// Whatever is out of the ordinary (a name that is not UTF-8, a FIFO, a file that changes while it is read, too many
// open files) it leaves to them, so that every refusal is worded in one place. Bytes of names are never changed.

#include "fill.h"
#include "touched.h"
#include "walk.h"

PYBIND11_MODULE(espalier_native, module) {
  module.doc() = "The compiled scanner of source folders; espalier/snapshot/native.py uses it.";
  module.attr("INTERFACE") = 6;
  py::class_<Rules>(module, "Rules").def(py::init<const py::sequence&>());
  module.def("walk", &walk, py::arg("source"), py::arg("began_ns"), py::arg("rules"), py::arg("defaults"),
             py::arg("signs"), py::arg("own_folder"), py::arg("records"), py::arg("tick"),
             "Walks a folder; None when something in it is for the walk in Python.");
  module.def("fill", &fill, py::arg("top"), py::arg("folders"), py::arg("files"), py::arg("blobs"), py::arg("packs"),
             py::arg("tick"), "Writes files of a snapshot into a new folder; returns the numbers of those left out.");
  module.def("touched_folders", &touched_folders, py::arg("folder"), py::arg("begin"), py::arg("end"),
             py::arg("skipped"), py::arg("caches"), py::arg("libraries"), py::arg("deepest"),
             "The folders in which something was not last changed within a time, and those that cannot be read.");
  py::class_<Walk>(module, "Walk")
      .def("entries", &Walk::entries)
      .def("replace", &Walk::replace)
      .def("left_out", &Walk::left_out)
      .def("settle", &Walk::settle)
      .def("root", &Walk::root)
      .def("small_unknown", &Walk::small_unknown)
      .def("store", &Walk::store)
      .def("unknown", &Walk::unknown)
      .def("set_file", &Walk::set_file)
      .def("changed", &Walk::changed)
      .def("tree_entries", &Walk::tree_entries)
      .def("set_tree", &Walk::set_tree)
      .def("remember", &Walk::remember)
      .def("totals", &Walk::totals);
}
